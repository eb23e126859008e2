//! A borrow inside of a `Cow`.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", early_refresh = 1.0, skip(db))]
async fn get_user(db: std::borrow::Cow<'_, str>, id: u64) -> String {
    format!("{db}{id}")
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

//! A borrow inside of an `Option`.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", timeout = "2s", skip(db))]
async fn get_user(db: Option<&str>, id: u64) -> String {
    format!("{db:?}{id}")
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

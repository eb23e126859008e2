//! A borrow inside of a tuple.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", timeout = 2, skip(db, name))]
async fn get_user((db, name): (&u8, String), id: u64) -> String {
    format!("{db}{name}{id}")
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

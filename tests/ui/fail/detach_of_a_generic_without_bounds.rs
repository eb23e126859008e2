//! A borrow of what need not be `Clone`.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", detach = true, skip(db))]
async fn get_user<D: std::fmt::Display>(db: &D, id: u64) -> String {
    format!("{db}{id}")
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

//! An entry function by the name of the cached one.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", entry = get_user, skip(db))]
async fn get_user(db: &str, id: u64) -> String {
    format!("{db}{id}")
}

async fn caller() {
    get_user("a", 7).await;
}

fn main() {}

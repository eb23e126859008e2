//! A path to no crate.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", crate = ::nowhere, skip(db))]
async fn get_user(db: &str, id: u64) -> String {
    format!("{db}{id}")
}

async fn caller() {
    get_user("a", 7).await;
}

fn main() {}

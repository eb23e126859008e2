//! Another type put into the entry.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> Option<u64> {
    Some(id)
}

async fn caller() {
    user_entry(7).put(&"Ada").await.unwrap();
}

fn main() {}

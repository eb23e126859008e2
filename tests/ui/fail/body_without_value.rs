//! A body that forgets its value.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> u64 {
    id + 1;
}

fn main() {}

//! A name in the body that there is not.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> u64 {
    idd + 1
}

async fn caller() {
    user_entry(7).invalidate().await.unwrap();
}

fn main() {}

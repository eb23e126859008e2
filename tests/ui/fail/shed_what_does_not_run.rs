//! `shed = true` where nothing runs without the cache.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", fail_open = false, shed = true)]
async fn get_user(id: u64) -> Result<u64, cache_runtime::Error> {
    Ok(id)
}

async fn caller() {
    get_user(7).await.unwrap();
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

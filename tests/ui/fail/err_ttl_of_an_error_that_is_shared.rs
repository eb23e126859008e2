//! Errors are kept that callers can share, and that cannot be written.

use cache_runtime::redis_cached;

#[derive(Clone)]
struct Failure(String);

#[redis_cached(key = "user:<id>", err_ttl = 1)]
async fn get_user(id: u64) -> Result<String, Failure> {
    Err(Failure(id.to_string()))
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

//! Errors are kept, of a function that returns none.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", err_ttl = 1)]
async fn get_user(id: u64) -> Option<String> {
    Some(id.to_string())
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

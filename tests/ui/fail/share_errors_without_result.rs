//! Errors are shared, of a function that returns none.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", share_errors = true)]
async fn get_user(id: u64) -> Option<String> {
    Some(id.to_string())
}

async fn caller() {
    get_user(7).await;
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

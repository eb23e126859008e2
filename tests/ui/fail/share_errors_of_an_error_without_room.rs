//! Errors are shared, of a type that the cache's error does not become.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", share_errors = true)]
async fn get_user(id: u64) -> Result<String, std::io::Error> {
    Ok(id.to_string())
}

async fn caller() {
    let _ = get_user(7).await;
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

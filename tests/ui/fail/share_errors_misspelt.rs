//! Near misses of the names of arguments.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", share_error = true, share = true)]
async fn get_user(id: u64) -> Result<String, String> {
    Ok(id.to_string())
}

async fn caller() {
    let _ = get_user(7).await;
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

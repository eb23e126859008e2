//! `None` is kept, of a function that returns errors only.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", none_ttl = 30)]
async fn get_user(id: u64) -> Result<String, String> {
    Ok(id.to_string())
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

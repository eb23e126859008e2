//! Neither a closure nor a function.

use cache_runtime::redis_cached;

const LIMIT: usize = 3;

#[redis_cached(key = "user:<id>", cache_if = LIMIT)]
async fn get_user(id: u64) -> String {
    id.to_string()
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

//! A question about a field that the value does not have.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", cache_if = |user| user.active)]
async fn get_user(id: u64) -> String {
    id.to_string()
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

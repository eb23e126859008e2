//! A question that borrows from the call, asked after it.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", detach = true, cache_if = |value| value.len() < name.len(), skip(name))]
async fn get_user(name: &str, id: u64) -> String {
    id.to_string()
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

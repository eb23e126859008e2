//! A question about another type than the value's.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", cache_if = |value: &u64| *value > 3)]
async fn get_user(id: u64) -> String {
    id.to_string()
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

//! A closure that names what the body has taken.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", cache_if = |value| value.len() < name.len(), skip(name))]
async fn get_user(name: String, id: u64) -> String {
    name + &id.to_string()
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

//! A switch that is no switch.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", shared = "get_users")]
async fn get_user(id: u64) -> String {
    id.to_string()
}

async fn caller() {
    get_user(7).await;
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

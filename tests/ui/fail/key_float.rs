//! A float in the key: the reason is said.

use cache_runtime::redis_cached;

#[redis_cached(key = "near:<radius>")]
async fn near(radius: f64) -> Vec<u32> {
    vec![radius as u32]
}

async fn caller() {
    near(0.5).await;
    near_entry(0.5).invalidate().await.unwrap();
}

fn main() {}

//! A duration where `lock` is on or off.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", lock = "5s")]
async fn text(id: u64) -> u64 {
    id
}

#[redis_cached(key = "user:<id>", lock = "soon")]
async fn other_text(id: u64) -> u64 {
    id
}

async fn caller() {
    text(7).await;
    text_entry(7).invalidate().await.unwrap();
}

fn main() {}

//! A response of a web framework as the value.

use axum::Json;
use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> Json<u64> {
    Json(id)
}

fn main() {}

//! Another `Json` in scope, with its argument and without.

use axum::Json;
use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", codec = Json<u64>)]
async fn with_argument(id: u64) -> u64 {
    id
}

#[redis_cached(key = "user:<id>", codec = Json)]
async fn without_argument(id: u64) -> u64 {
    id
}

fn main() {}

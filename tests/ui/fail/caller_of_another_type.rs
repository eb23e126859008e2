//! A caller that gives another type: as for the bare function.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> u64 {
    id
}

async fn caller() {
    user("7").await;
}

fn main() {}

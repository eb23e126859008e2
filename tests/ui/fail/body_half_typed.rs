//! A half-typed body is reported once, in the body.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    let user = id.;
    user
}

async fn caller() -> u64 {
    get_user(1).await
}

fn main() {
    drop(caller());
}

//! The names of the expansion are not the body's.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    drop(__plan);
    id
}

fn main() {
    drop(get_user(1));
}

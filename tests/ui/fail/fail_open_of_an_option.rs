//! An option has no error that the cache's could be.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", fail_open = false)]
async fn get_user(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {
    drop(get_user(7));
}

//! An error that the cache's cannot be turned into.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", fail_open = false)]
async fn get_user(id: u64) -> Result<Option<u64>, std::fmt::Error> {
    if id == 0 { Err(std::fmt::Error) } else { Ok(Some(id)) }
}

fn main() {
    drop(get_user(7));
}

//! A value that cannot be written, where the cache may fail the function: one error.

use cache_runtime::redis_cached;

struct User;

#[redis_cached(key = "user:<id>", fail_open = false)]
async fn user(id: u64) -> Result<User, cache_runtime::Error> {
    let _ = id;
    Ok(User)
}

fn main() {
    drop(user(7));
}

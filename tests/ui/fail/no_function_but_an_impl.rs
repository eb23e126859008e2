//! On an `impl`.

use cache_runtime::redis_cached;

struct Users;

#[redis_cached(key = "user:<id>")]
impl Users {
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}

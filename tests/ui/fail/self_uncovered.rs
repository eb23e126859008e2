//! A method whose `self` is neither in the key nor skipped.

use cache_runtime::redis_cached;

struct Users;

impl Users {
    #[redis_cached(key = "user:<id>:v1")]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    drop((Users.get(1), Users.get_entry(1)));
}

//! An entry function where a trait does not have one.

use cache_runtime::redis_cached;

trait Users {
    async fn user(&self, id: u64) -> u64;
}

struct Nobody;

impl Users for Nobody {
    #[redis_cached(key = "user:<id>", skip(self))]
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    drop(Nobody.user(1));
}

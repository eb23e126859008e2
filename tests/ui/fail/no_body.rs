//! The attribute on a function without a body.

use cache_runtime::redis_cached;

trait Users {
    #[redis_cached(key = "user:<id>", skip(self))]
    async fn user(&self, id: u64) -> u64;
}

struct Nobody;

impl Users for Nobody {
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    drop(Nobody.user(1));
}

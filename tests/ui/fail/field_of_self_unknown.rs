//! A field of `self` that there is not.

use cache_runtime::redis_cached;

struct Users {
    tenant: u64,
}

impl Users {
    #[redis_cached(key = "user:<self.tennant>:<id>")]
    async fn user(&self, id: u64) -> u64 {
        self.tenant + id
    }
}

fn main() {}

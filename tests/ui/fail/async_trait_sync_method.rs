//! A method under `#[async_trait]` that is not async.

use async_trait::async_trait;
use cache_runtime::redis_cached;

#[async_trait]
trait Users {
    fn user(&self, id: u64) -> u64;
}

struct Db;

#[async_trait]
impl Users for Db {
    #[redis_cached(key = "user:<id>", entry = false, skip(self))]
    fn user(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}

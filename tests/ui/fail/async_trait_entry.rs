//! An entry function in an `impl` of a trait, under `#[async_trait]`.

use async_trait::async_trait;
use cache_runtime::redis_cached;

#[async_trait]
trait Users {
    async fn user(&self, id: u64) -> u64;
}

struct Db;

#[async_trait]
impl Users for Db {
    #[redis_cached(key = "user:<id>", entry = user_entry, skip(self))]
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}

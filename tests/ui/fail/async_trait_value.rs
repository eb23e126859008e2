//! A value under `#[async_trait]` that cannot be written.

use async_trait::async_trait;
use cache_runtime::redis_cached;

struct User;

#[async_trait]
trait Users {
    async fn user(&self, id: u64) -> Option<User>;
}

struct Db;

#[async_trait]
impl Users for Db {
    #[redis_cached(key = "user:<id>", skip(self))]
    async fn user(&self, id: u64) -> Option<User> {
        (id > 0).then_some(User)
    }
}

fn main() {}

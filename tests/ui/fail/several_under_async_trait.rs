//! A method under `#[async_trait]`: parameters and patterns are as the user wrote them.

use async_trait::async_trait;
use cache_runtime::redis_cached;

struct Page(u32, u32);

#[async_trait]
trait Users {
    async fn list(&self, page: Page, name: &str) -> Vec<u32>;
}

struct Db;

#[async_trait]
impl Users for Db {
    #[redis_cached(key = "users:<number>")]
    async fn list(&self, Page(number, size): Page, name: &str) -> Vec<u32> {
        vec![number, size, name.len() as u32]
    }
}

fn main() {}

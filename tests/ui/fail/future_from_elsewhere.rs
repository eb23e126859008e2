//! A returned future that was made elsewhere: there is no body to see.

use cache_runtime::redis_cached;

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T>>>;

async fn load(id: u64) -> u64 {
    id
}

#[redis_cached(key = "user:<id>")]
fn user(id: u64) -> BoxFuture<u64> {
    Box::pin(load(id))
}

async fn caller() -> u64 {
    user(7).await
}

fn main() {}

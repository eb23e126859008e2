//! A constant without the type parameter that it belongs to.

use cache_runtime::redis_cached;

trait Row {
    const NAME: &'static str;
}

#[redis_cached(key = "<NAME>:<id>")]
async fn count<T: Row>(id: u64) -> u64 {
    id
}

async fn caller<T: Row>() {
    count::<T>(7).await;
    count_entry::<T>(7).invalidate().await.unwrap();
}

fn main() {}

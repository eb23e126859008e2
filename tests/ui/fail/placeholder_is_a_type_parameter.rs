//! A type parameter as a placeholder, alone and with a field.

use cache_runtime::redis_cached;

trait Row {
    const NAME: &'static str;
}

#[redis_cached(key = "<T>:<T.NAME>:<id>")]
async fn count<T: Row>(id: u64) -> u64 {
    id
}

async fn caller<T: Row>() {
    count::<T>(7).await;
    count_entry::<T>(7).invalidate().await.unwrap();
}

fn main() {}

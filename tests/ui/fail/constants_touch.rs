//! Constants are values like others: nothing keeps these apart.

use cache_runtime::redis_cached;

trait Row {
    const NAME: &'static str;
}

#[redis_cached(key = "<T::NAME><N>:<id>")]
async fn count<T: Row, const N: usize>(id: u64) -> u64 {
    id
}

fn main() {}

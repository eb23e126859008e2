//! A function that returns nothing.

use cache_runtime::redis_cached;

#[redis_cached(key = "warm:<id>")]
async fn warm(id: u64) {
    drop(id);
}

fn main() {
    drop(warm(1));
}

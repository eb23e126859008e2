//! A stream, behind `impl`.

use cache_runtime::redis_cached;

trait Stream {
    type Item;
}

struct Numbers(u64);

impl Stream for Numbers {
    type Item = u64;
}

#[redis_cached(key = "numbers:<to>")]
async fn numbers(to: u64) -> impl Stream<Item = u64> {
    Numbers(to)
}

fn main() {}

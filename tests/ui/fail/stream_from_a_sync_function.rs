//! A stream, from a function that is not async.

use cache_runtime::redis_cached;

struct BoxStream(u64);

#[redis_cached(key = "numbers:<to>")]
fn numbers(to: u64) -> BoxStream {
    BoxStream(to)
}

fn main() {}

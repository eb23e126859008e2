//! A field of a tuple that there is not.

use cache_runtime::redis_cached;

#[redis_cached(key = "pair:<pair.0>:<pair.2>")]
async fn sum(pair: (u32, u32)) -> u32 {
    pair.0 + pair.1
}

fn main() {}

//! On a constant.

use cache_runtime::redis_cached;

#[redis_cached(key = "user")]
const USER: u64 = 7;

fn main() {}

//! A `const fn`.

use cache_runtime::redis_cached;

#[redis_cached(key = "twice:<n>")]
const fn twice(n: u64) -> u64 {
    n * 2
}

fn main() {
    twice(7);
    let _ = twice_entry(7);
}

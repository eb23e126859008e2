//! A placeholder in the key of a function without parameters.

use cache_runtime::redis_cached;

#[redis_cached(key = "count:<id>")]
async fn count() -> u64 {
    7
}

fn main() {
    drop((count(), count_entry()));
}

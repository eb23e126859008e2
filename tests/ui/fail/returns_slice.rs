//! A slice behind an option.

use cache_runtime::redis_cached;

#[redis_cached(key = "head:<list>")]
async fn head(list: &[u8]) -> Option<&[u8]> {
    list.get(..4)
}

fn main() {}

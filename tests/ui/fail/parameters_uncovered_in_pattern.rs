//! A name of a pattern that is neither in the key nor skipped.

use cache_runtime::redis_cached;

#[redis_cached(key = "page:<page>:v1")]
async fn list((page, size): (u32, u32)) -> Vec<u32> {
    vec![page; size as usize]
}

fn main() {
    drop((list((1, 2)), list_entry((1, 2))));
}

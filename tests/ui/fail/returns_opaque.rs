//! A function that returns `impl Trait`.

use cache_runtime::redis_cached;

#[redis_cached(key = "names:<id>")]
async fn names(id: u64) -> impl Iterator<Item = u64> {
    0..id
}

fn main() {
    drop(names(1));
}

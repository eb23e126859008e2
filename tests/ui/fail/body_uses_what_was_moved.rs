//! A value used after it was moved.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<name>")]
async fn user(name: String) -> (String, usize) {
    let moved = name;
    (moved, name.len())
}

fn main() {}

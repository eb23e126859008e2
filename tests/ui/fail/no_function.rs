//! The attribute on something that is no function.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
struct User {
    id: u64,
}

fn main() {
    drop(User { id: 1 }.id);
}

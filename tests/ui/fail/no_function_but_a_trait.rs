//! On a trait.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
trait Users {
    fn user(&self, id: u64) -> u64;
}

fn main() {}

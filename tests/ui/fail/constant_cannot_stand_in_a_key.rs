//! A constant that is a float: reported at the template.

use cache_runtime::redis_cached;

trait Row {
    const SCALE: f64;
}

#[redis_cached(key = "<T::SCALE>:<id>")]
async fn count<T: Row>(id: u64) -> u64 {
    id
}

fn main() {}

//! A constant of a type that is not there: reported at the template.

use cache_runtime::redis_cached;

#[redis_cached(key = "<Rows::NAME>:<id>")]
async fn count(id: u64) -> u64 {
    id
}

fn main() {}

//! An early return of another type.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> Result<u64, String> {
    if id == 0 {
        return Err(7);
    }
    Ok(id)
}

fn main() {}

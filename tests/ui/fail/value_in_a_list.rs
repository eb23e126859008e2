//! A list of what cannot be written: reported at the return type, once.

use cache_runtime::redis_cached;

struct User;

#[redis_cached(key = "users:<id>")]
async fn users(id: u64) -> Result<Vec<User>, std::io::Error> {
    Ok((0..id).map(|_| User).collect())
}

fn main() {}

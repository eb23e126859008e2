//! A reference to a type of the user's own, in a pair.

use cache_runtime::redis_cached;

struct User;

#[redis_cached(key = "user:<id>", skip(user))]
async fn named(user: &User, id: u64) -> Result<(u64, &User), std::io::Error> {
    Ok((id, user))
}

fn main() {}

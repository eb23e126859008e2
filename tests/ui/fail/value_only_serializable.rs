//! A value that can be written and not read.

use cache_runtime::redis_cached;

#[derive(serde::Serialize)]
struct User;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> Option<User> {
    (id > 0).then_some(User)
}

fn main() {}

//! A value that cannot be written, beside a codec: one error, which names the value.

use cache_runtime::redis_cached;

struct User;

#[redis_cached(key = "user:<id>", codec = cache_runtime::MessagePack)]
async fn user(id: u64) -> Option<User> {
    (id > 0).then_some(User)
}

fn main() {}

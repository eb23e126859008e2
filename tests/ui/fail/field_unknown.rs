//! A field that the parameter does not have: reported in the key.

use cache_runtime::redis_cached;

struct User {
    id: u64,
}

#[redis_cached(key = "user:<user.uid>")]
async fn get_user(user: &User) -> u64 {
    user.id
}

fn main() {
    drop(get_user(&User { id: 1 }));
}

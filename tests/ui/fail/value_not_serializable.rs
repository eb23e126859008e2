//! A value that cannot be serialized: reported on the return type.

use cache_runtime::redis_cached;

struct User;

#[derive(Debug)]
struct DbError;

#[redis_cached(key = "user:<id>")]
async fn get_user(id: u64) -> Result<User, DbError> {
    if id == 0 { Err(DbError) } else { Ok(User) }
}

fn main() {
    drop(get_user(1));
}

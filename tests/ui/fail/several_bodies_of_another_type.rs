//! A mistake in the body is reported in the body, as without the attribute.

use cache_runtime::redis_cached;

#[derive(Debug)]
struct DbError;

#[redis_cached(key = "user:<id>")]
async fn get_user(id: u64) -> Result<String, DbError> {
    let text: u64 = id.to_string();
    Ok(text)
}

#[redis_cached(key = "other:<id>")]
async fn parsed(id: &str) -> Result<u64, DbError> {
    Ok(id.parse()?)
}

fn main() {
    drop((get_user(1), parsed("1")));
}

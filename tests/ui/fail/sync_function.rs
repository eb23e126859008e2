//! A function that is not async.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", skip(db))]
fn get_user(db: &str, id: u64) -> String {
    format!("{db}{id}")
}

fn main() {
    get_user("a", 7);
    let _ = get_user_entry(7);
}

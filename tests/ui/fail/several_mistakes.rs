//! All mistakes at once, each in its place.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<uid><tenant>", ttl = "10", tll = 5, lock = maybe, skip(dbb), jitter = 2.0)]
fn get_user(db: &str, id: u64) -> String {
    format!("{db}{id}")
}

fn main() {
    get_user("a", 7);
    let _ = get_user_entry(7);
}

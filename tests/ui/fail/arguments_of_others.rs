//! Arguments by the names that other caches have for them.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", swr = 60, stale = 60, grace = 60, negative_ttl = 5, when = true, skip(db))]
async fn get_user(db: &str, id: u64) -> String {
    format!("{db}{id}")
}

async fn caller() {
    get_user("a", 7).await;
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

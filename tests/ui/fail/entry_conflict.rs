//! An entry with a name, and none.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", entry = user_entry, entry = false, skip(db))]
async fn get_user(db: &str, id: u64) -> String {
    format!("{db}{id}")
}

async fn caller() {
    get_user("a", 7).await;
}

fn main() {}

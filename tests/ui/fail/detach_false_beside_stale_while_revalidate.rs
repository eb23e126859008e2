//! A body that goes on in the background, and may not.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", stale_while_revalidate = 60, detach = false, skip(db))]
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

//! Other shapes of a codec that writes no names.

use cache_runtime::{Bincode, redis_cached};

#[redis_cached(key = "user:<id>", codec = Bincode, shape = "compatible", skip(db))]
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

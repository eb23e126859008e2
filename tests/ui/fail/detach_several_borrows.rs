//! Each parameter that a task cannot hold is reported.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", timeout = 2, skip(db, tags, step))]
async fn get_user(db: &mut u8, tags: Vec<&str>, step: &mut u64, id: u64) -> String {
    *db += 1;
    *step += 1;
    format!("{tags:?}{id}")
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

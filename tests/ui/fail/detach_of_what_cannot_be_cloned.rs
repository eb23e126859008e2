//! A borrow of what cannot be copied for a task.

use cache_runtime::redis_cached;

struct Db {
    name: String,
}

#[redis_cached(key = "user:<id>", stale_while_revalidate = 60, skip(db))]
async fn get_user(db: &Db, id: u64) -> String {
    format!("{}{id}", db.name)
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

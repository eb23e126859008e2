//! No key: a whole one is proposed.

use cache_runtime::redis_cached;

struct Db;

#[redis_cached(ttl = 600)]
async fn get_user(db: &Db, id: u64) -> String {
    let Db = db;
    id.to_string()
}

async fn caller() {
    get_user(&Db, 7).await;
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

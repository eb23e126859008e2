//! A parameter that is the cache does not select the value, so it is not proposed for the key.

use std::sync::Arc;

use cache_runtime::{Cache, redis_cached};

#[redis_cached(key = "user:<id>", cache = c)]
async fn by_value(c: Cache, id: u64) -> u64 {
    drop(c);
    id
}

#[redis_cached(key = "user:<id>", cache = &c, skip(db))]
async fn by_reference(c: Arc<Cache>, db: &[u64], id: u64) -> bool {
    drop(c);
    db.contains(&id)
}

#[redis_cached(cache = c)]
async fn without_key(c: Cache, id: u64) -> u64 {
    drop(c);
    id
}

async fn caller(c: Cache) {
    by_value(c.clone(), 7).await;
    by_value_entry(c.clone(), 7).invalidate().await.unwrap();
    without_key_entry(c, 7).invalidate().await.unwrap();
}

fn main() {}

//! Parameters under `#[cfg]`: in the key, nowhere, in a pattern, and that of a function whose key is missing.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<tenant>:<id>")]
async fn in_key(id: u64, #[cfg(any())] tenant: u32) -> u64 {
    id
}

#[redis_cached(key = "user:<id>", skip(db))]
async fn nowhere(db: &str, id: u64, #[cfg(all())] (page, size): (u32, u32)) -> usize {
    db.len() + (page + size + id as u32) as usize
}

#[redis_cached(ttl = 5)]
async fn no_key(id: u64, #[cfg(any())] tenant: u32) -> u64 {
    id
}

async fn caller() {
    in_key(7).await;
    in_key_entry(7).invalidate().await.unwrap();
    no_key_entry(7).invalidate().await.unwrap();
}

fn main() {}

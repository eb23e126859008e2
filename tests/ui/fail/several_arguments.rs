//! Arguments after one that cannot be read are read all the same.

use cache_runtime::redis_cached;

#[redis_cached(ttl = "soon", key = "user:<id>:<page>", unknown(a = 1, b), lock(wait = "5"), fail_open = 1, entry = 7)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {
    drop(get_user(1));
}

//! Nothing says how the crate is called here: reported at the attribute, once, whatever the function looks like.

use cr::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn plain(id: u64) -> u64 {
    id
}

#[cr::redis_cached(key = "user:<id>", ttl = 600, timeout = "2s", cache_if = |id| *id > 0)]
async fn detached(id: u64) -> Result<Option<u64>, cr::Error> {
    Ok(Some(id))
}

fn main() {}

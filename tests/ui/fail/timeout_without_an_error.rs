//! A timeout on functions that have neither an error for a late caller nor an old value.

use cache_runtime::redis_cached;

#[redis_cached(key = "plain:<id>", timeout = "2s")]
async fn plain(id: u64) -> String {
    id.to_string()
}

#[redis_cached(key = "optional:<id>", timeout = "2s", early_refresh = 1.0, none_ttl = 5)]
async fn optional(id: u64) -> Option<String> {
    Some(id.to_string())
}

#[redis_cached(key = "fallible:<id>", timeout = "2s", err_ttl = 1)]
async fn fallible(id: u64) -> Result<String, String> {
    Ok(id.to_string())
}

#[redis_cached(key = "stale:<id>", timeout = "2s", stale_if_error = "1h")]
async fn stale(id: u64) -> String {
    id.to_string()
}

fn main() {
    drop((plain(1), optional(1), fallible(1), stale(1)));
}

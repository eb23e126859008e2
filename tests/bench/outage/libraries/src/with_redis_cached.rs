//! This project, as its README starts: the URL, and nothing else. `lock = true` is what its example has.

use cache_runtime::{Cache, redis_cached};

use crate::library::{Library, Report, load};

/// The installed cache.
pub(crate) struct Ours;

#[redis_cached(key = "report:<id>", ttl = 600, lock = true)]
async fn report(id: u64) -> Report {
    load(id).await
}

impl Library for Ours {
    async fn connect(url: &str) -> Result<Self, String> {
        let installed = Cache::builder().redis_url(url).build().and_then(Cache::install);
        installed.map(|_| Self).map_err(|error| error.to_string())
    }

    async fn call(&self, id: u64) -> Result<Report, String> {
        Ok(report(id).await)
    }
}

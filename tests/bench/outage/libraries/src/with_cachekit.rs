//! `cachekit-rs` 0.13.1 with its Redis backend and its macro: the preset that its documentation names for production
//! services, which has retries, a circuit breaker, single-flight, an L1 and automatic reconnection. Each call of a cell
//! has a key of its own, so that no answer comes from the L1.

use cachekit::prelude::*;

use crate::library::{Library, Report, load};

/// The client that each call is given.
pub(crate) struct Cachekit(CacheKit);

#[cachekit(client = cache, ttl = 600, interop = "report", namespace = "outage")]
async fn report(cache: &CacheKit, id: u64) -> Result<Report, CachekitError> {
    Ok(load(id).await)
}

impl Library for Cachekit {
    async fn connect(url: &str) -> Result<Self, String> {
        let builder = CacheKit::production(url).await.map_err(|error| error.to_string())?;
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    async fn call(&self, id: u64) -> Result<Report, String> {
        report(&self.0, id).await.map_err(|error| error.to_string())
    }
}

//! `cached` 4.1 with the feature `redis_tokio`, twice.
//!
//! [`Cached`] is the example of its README: `#[concurrent_cached]` makes the store itself at the first call, with the
//! connection string in `CACHED_REDIS_CONNECTION_STRING`, which the benchmark sets. That connection does not come back after
//! an outage. [`CachedManaged`] is the store of the example `redis-async-tokio`, with the "auto-reconnecting connection
//! manager" that the documentation has for this.
//!
//! The macro has no argument that makes callers of one key wait for each other (it refuses `sync_writes`), and none that
//! lets a call go on without its store.

use cached::AsyncRedisCache;
use cached::macros::concurrent_cached;
use cached::time::Duration;
use thiserror::Error;

use crate::library::{Library, Report, load};

/// Nothing to hold: the store belongs to the function.
pub(crate) struct Cached;

/// Likewise.
pub(crate) struct CachedManaged;

#[derive(Debug, Error, Clone, PartialEq)]
enum ReportError {
    #[error("error with redis cache `{0}`")]
    Redis(String),
}

#[concurrent_cached(redis = true, ttl_secs = 600, map_error = |e| ReportError::Redis(format!("{e:?}")))]
async fn report(id: u64) -> Result<Report, ReportError> {
    Ok(load(id).await)
}

#[concurrent_cached(
    map_error = |e| ReportError::Redis(format!("{e:?}")),
    ty = "cached::AsyncRedisCache<u64, Report>",
    create = r#" {
        AsyncRedisCache::builder("report_managed")
            .ttl(Duration::from_mins(10))
            .connection_manager(true)
            .build()
            .await
            .expect("error building the redis cache")
    } "#
)]
async fn report_managed(id: u64) -> Result<Report, ReportError> {
    Ok(load(id).await)
}

impl Library for Cached {
    async fn connect(_url: &str) -> Result<Self, String> {
        Ok(Self)
    }

    async fn call(&self, id: u64) -> Result<Report, String> {
        report(id).await.map_err(|error| error.to_string())
    }
}

impl Library for CachedManaged {
    async fn connect(_url: &str) -> Result<Self, String> {
        Ok(Self)
    }

    async fn call(&self, id: u64) -> Result<Report, String> {
        report_managed(id).await.map_err(|error| error.to_string())
    }
}

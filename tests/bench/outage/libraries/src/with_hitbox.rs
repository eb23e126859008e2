//! `hitbox-fn` 0.2.1 on `hitbox-redis` 0.2.1: the backend of its quickstart, with the connection settings it comes with,
//! and what its documentation names for production: the `BroadcastConcurrencyManager`, at one run of a key at a time.

use std::convert::Infallible;
use std::time::Duration;

use hitbox::concurrency::BroadcastConcurrencyManager;
use hitbox::policy::ConcurrencyLimit;
use hitbox_fn::prelude::*;
use hitbox_redis::{ConnectionMode, RedisBackend};

use crate::library::{Library, Report, load};

type Answer = Result<Report, Infallible>;

/// The cache that each call is given.
pub(crate) struct Hitbox(Cache<RedisBackend, BroadcastConcurrencyManager<Answer>>);

#[cached(prefix = "report")]
async fn report(id: u64) -> Answer {
    Ok(load(id).await)
}

impl Library for Hitbox {
    async fn connect(url: &str) -> Result<Self, String> {
        let backend = RedisBackend::builder().connection(ConnectionMode::single(url)).build();
        let one = ConcurrencyLimit::new(1).expect("one is within the limits of the limit");
        let policy = PolicyConfig::builder().ttl(Duration::from_mins(10)).concurrency(one).build();
        let cache = Cache::builder()
            .backend(backend.map_err(|error| error.to_string())?)
            .policy(policy)
            .concurrency_manager(BroadcastConcurrencyManager::new())
            .build();
        Ok(Self(cache))
    }

    async fn call(&self, id: u64) -> Result<Report, String> {
        let Ok(report) = report(id).cache(&self.0).await;
        Ok(report)
    }
}

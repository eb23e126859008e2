//! A cache on each kind of store, so that one case runs on all of them.

use cache_runtime::{Cache, CacheBuilder, Memory};

use crate::{OwnStore, PATIENCE, RedisCluster, RedisServer};

/// A cache on a store of the test's own.
#[derive(Debug)]
pub struct Stage {
    /// The cache.
    pub cache: Cache,
    server: Option<RedisServer>,
    _cluster: Option<RedisCluster>,
}

impl Stage {
    /// On memory.
    #[expect(clippy::unused_async, reason = "called like the others, by `on_every_store!`")]
    pub async fn memory() -> Self {
        let cache = built(Cache::builder().memory(Memory::entries(1_000)));
        Self { cache, server: None, _cluster: None }
    }

    /// On a Redis of its own.
    pub async fn redis() -> Self {
        let server = RedisServer::start().await;
        // The deadline is not what these tests are about, and a busy machine is slow.
        let cache = built(Cache::builder().redis_url(server.url()).deadline(PATIENCE));
        Self { cache, server: Some(server), _cluster: None }
    }

    /// On a cluster of its own, of one node: what differs from a single server is the way to it.
    pub async fn cluster() -> Self {
        let cluster = RedisCluster::start_with(1, &[]).await;
        let cache = built(Cache::builder().redis_cluster(cluster.urls()).deadline(PATIENCE));
        Self { cache, server: None, _cluster: Some(cluster) }
    }

    /// On a store as a user would write one.
    #[expect(clippy::unused_async, reason = "called like the others, by `on_every_store!`")]
    pub async fn own() -> Self {
        Self { cache: built(Cache::builder().store(OwnStore::default())), server: None, _cluster: None }
    }

    /// The server behind the cache, if it has one.
    pub fn server(&self) -> Option<&RedisServer> {
        self.server.as_ref()
    }
}

/// A cache on this server; two of them share nothing else, as two processes would.
pub fn cache_on(server: &RedisServer) -> Cache {
    built(Cache::builder().redis_url(server.url()))
}

/// A cache as configured.
pub fn built(builder: CacheBuilder) -> Cache {
    builder.build().expect("the configuration is valid")
}

/// Runs each case, an `async fn(Stage)`, as a test on every store; a new store is one line here.
#[macro_export]
macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        $crate::on_every_store!(memory: $($case)+);
        $crate::on_every_store!(redis: $($case)+);
        $crate::on_every_store!(cluster: $($case)+);
        $crate::on_every_store!(own: $($case)+);
    };
    ($store:ident: $($case:ident)+) => {
        mod $store {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($crate::Stage::$store().await).await;
                }
            )+
        }
    };
}

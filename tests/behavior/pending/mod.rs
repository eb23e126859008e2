//! Pending invalidations: those that failed are sent again until they get through, however many they are, and nothing that
//! they are about is served meanwhile.

mod cluster;
mod distrust;
mod kept;
mod memory;
mod own_stores;
mod shutdown;
mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, EndRequest, Ended, LeaseRequest, Leased, Swept, Token, WriteRequest};
use cache_runtime::{Cache, CacheBuilder, Error, ErrorKind, Store, redis_cached};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use support::{Origin, OwnStore, RedisServer, built, within};

/// What a store of a test does with removals and sweeps.
trait Rules: Send + Sync + 'static {
    fn removal(&self, key: &str) -> Result<(), Error>;

    fn sweep(&self, _cursor: u64) -> impl Future<Output = Result<Swept, Error>> + Send {
        async { Ok(Swept::Unsupported) }
    }
}

/// A store under such rules. A clone is the same store.
struct Ruled<R> {
    entries: OwnStore,
    rules: Arc<R>,
}

impl<R> Ruled<R> {
    fn by(rules: R) -> Self {
        Self { entries: OwnStore::default(), rules: Arc::new(rules) }
    }
}

impl<R> Clone for Ruled<R> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), rules: Arc::clone(&self.rules) }
    }
}

impl<R: Rules> Store for Ruled<R> {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.entries.get(key).await
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        self.entries.lease(key, request).await
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        self.entries.renew(key, token, ttl).await
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        self.entries.commit(key, token, entry, ttl).await
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        self.entries.release(key, token, hold_off).await
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        self.entries.begin_write(key, request).await
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        self.entries.renew_write(key, writer, ttl).await
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        self.entries.end_write(key, request).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.rules.removal(key)?;
        self.entries.remove(key).await
    }

    async fn sweep(&self, _prefix: &str, cursor: u64) -> Result<Swept, Error> {
        self.rules.sweep(cursor).await
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Rejected, "it refuses")
}

/// An origin whose values are versions: the old one is what was loaded before the last write.
#[derive(Debug, Default)]
struct Versions {
    version: AtomicU64,
    runs: AtomicU64,
}

impl Versions {
    fn write(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    fn latest(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }
}

#[redis_cached(key = "version:<id>", ttl = 600, jitter = 0.0, cache = cache, skip(cache, versions))]
async fn version(cache: &Cache, versions: &Versions, id: u64) -> u64 {
    assert!(id < 1_000_000);
    versions.runs.fetch_add(1, Ordering::SeqCst);
    let latest = versions.latest();
    // Others come while it runs.
    tokio::task::yield_now().await;
    latest
}

#[redis_cached(key = "slow", ttl = 600, cache = cache, skip(cache, origin))]
async fn slow(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

async fn fill(cache: &Cache, versions: &Versions, ids: std::ops::Range<u64>) {
    let ids: Vec<u64> = ids.collect();
    for ids in ids.chunks(100) {
        join_all(ids.iter().map(|id| version(cache, versions, *id))).await;
    }
}

/// How many of these are at their keys, as another process sees it.
async fn seen(cache: &Cache, ids: std::ops::Range<u64>) -> usize {
    let mut seen = 0;
    for id in ids {
        seen += usize::from(version_entry(cache, id).get().await.expect("the server is up").is_some());
    }
    seen
}

/// A cache that keeps no key of a pending invalidation.
fn keeping_none(builder: CacheBuilder) -> Cache {
    built(builder.max_pending_bytes(0).deadline(Duration::from_millis(200)))
}

fn on(server: &RedisServer) -> CacheBuilder {
    Cache::builder().redis_url(server.url())
}

async fn fails_to_invalidate(cache: &Cache, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        version_entry(cache, id).invalidate().await.expect_err("the store does not remove it");
    }
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(what, asking).await;
}

async fn all_get_through(cache: &Cache) {
    eventually("all invalidations to get through", async || cache.health().pending_invalidations() == 0).await;
}

async fn ask<T: redis::FromRedisValue>(client: &mut MultiplexedConnection, command: &str) -> T {
    let mut words = command.split_whitespace();
    let mut asked = redis::cmd(words.next().expect("a command"));
    words.for_each(|word| _ = asked.arg(word));
    asked.query_async(client).await.unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// A server that removes no key for anybody, and answers otherwise; or does so again.
async fn removes(server: &RedisServer, whether: bool) {
    let rule = if whether { "+unlink" } else { "-unlink" };
    ask::<()>(&mut server.client().await, &format!("ACL SETUSER default {rule}")).await;
}

//! The configuration of a cache, checked as a whole when it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Cache, Shared, Templates};
use crate::codec::{BuiltInCodec, Format, Sealed};
use crate::engine::{DEFAULT_REFRESHES, Engine, Limits, OutagePlan};
use crate::entry::{MAX_MAX_ENTRY, MIN_MAX_ENTRY, Sizes};
use crate::error::{Error, ErrorKind};
use crate::observe;
use crate::policy::DEFAULT_TTL;
use crate::policy::ttl::{DEFAULT_JITTER, MAX_JITTER, MAX_TTL};
use crate::store::redis::{Client, ConnectionLike, RedisStore};
use crate::store::{Backend, Memory, OwnStore, Store};

/// What all the cache steps of one call may take together. A healthy Redis in the same region answers in one or two
/// milliseconds and stalls for some tens when it forks; a caller should hardly notice a hung one. Raising it tolerates
/// slower networks and makes calls slower when Redis hangs.
const DEFAULT_DEADLINE: Duration = Duration::from_millis(250);

/// The longest deadline: a caller that waits longer than this for a cache has no cache.
const MAX_DEADLINE: Duration = Duration::from_secs(60);

/// The most refreshes at once: more is no bound.
const MAX_REFRESHES: usize = 1 << 16;

/// The variable that names the server of a cache which was given no store.
const URL_VARIABLE: &str = "REDIS_URL";

/// Configures a [`Cache`].
///
/// ```
/// # fn main() -> Result<(), cache_runtime::Error> {
/// use std::time::Duration;
/// use cache_runtime::Cache;
///
/// Cache::builder()
///     .redis_url("redis://127.0.0.1/")
///     .prefix("shop")
///     .default_ttl(Duration::from_secs(60))
///     .build()?
///     .install()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build()`"]
pub struct CacheBuilder {
    store: Option<Choice>,
    /// How often a store was chosen.
    choices: u32,
    prefix: String,
    ttl: Duration,
    jitter: f64,
    format: Format,
    deadline: Duration,
    refreshes: usize,
    outage: OutagePlan,
    sizes: Sizes,
}

enum Choice {
    Url(String),
    Cluster(Vec<String>),
    Ready(Backend),
}

impl CacheBuilder {
    pub(super) fn new() -> Self {
        Self {
            store: None,
            choices: 0,
            prefix: String::new(),
            ttl: DEFAULT_TTL,
            jitter: DEFAULT_JITTER,
            format: Format::default(),
            deadline: DEFAULT_DEADLINE,
            refreshes: DEFAULT_REFRESHES,
            outage: OutagePlan::default(),
            sizes: Sizes::default(),
        }
    }

    fn with(mut self, store: Choice) -> Self {
        self.store = Some(store);
        self.choices += 1;
        self
    }

    /// Stores entries on the server at this URL: `redis://[user:password@]host[:port][/database]`. Connects when first
    /// used, once for each tokio runtime, and again when a connection is lost; that Redis is away fails nothing.
    pub fn redis_url(self, url: impl Into<String>) -> Self {
        self.with(Choice::Url(url.into()))
    }

    /// Stores entries in the cluster that these nodes belong to: one of them is enough to find the others, and more are
    /// found when that one is away. Each key is asked for at the node that has it, and a node that fails is left alone by
    /// itself: the keys of the others are served on. All nodes are connected to as the first is, with its user, password
    /// and TLS.
    pub fn redis_cluster<U: Into<String>>(self, urls: impl IntoIterator<Item = U>) -> Self {
        self.with(Choice::Cluster(urls.into_iter().map(Into::into).collect()))
    }

    /// Stores entries on this client's server, as [`redis_url`](Self::redis_url) does.
    pub fn redis_client(self, client: Client) -> Self {
        self.with(Choice::Ready(Backend::Redis(RedisStore::with_client(client))))
    }

    /// Stores entries over this connection: a `MultiplexedConnection`, a `ConnectionManager`, a `ClusterConnection`.
    /// It is used as it is: it lives in the runtime that made it, and reconnects if it can do that. What fails on it counts
    /// together, also where there is a cluster behind it: see [`redis_cluster`](Self::redis_cluster).
    pub fn redis_connection(self, connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        self.with(Choice::Ready(Backend::Redis(RedisStore::with_connection(connection))))
    }

    /// Stores entries in this process.
    pub fn memory(self, memory: Memory) -> Self {
        self.with(Choice::Ready(Backend::Memory(memory)))
    }

    /// Stores entries in a store of your own.
    pub fn store(self, store: impl Store) -> Self {
        self.with(Choice::Ready(Backend::Own(OwnStore::new(store))))
    }

    /// Puts `prefix` and `:` before every key, to keep programs, deployments or tenants on one server apart.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long values are fresh where the function does not say; 5 minutes.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The share of the TTL, 0.0 to 0.5, by which lifetimes are shortened at random where the function does not say;
    /// 0.1.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// The codec of functions that name none; [`MessagePack`](crate::MessagePack).
    pub fn codec<C: BuiltInCodec>(mut self, _codec: C) -> Self {
        self.format = C::format(Sealed(self.format)).0;
        self
    }

    /// What all the cache steps of one call may take together, connecting included; 250 ms. After it the function runs
    /// without the cache.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many background refreshes of this cache run at once; 64. A value whose refresh finds no room is served as it is,
    /// and the next call tries again.
    pub fn max_refreshes(mut self, count: usize) -> Self {
        self.refreshes = count;
        self
    }

    /// How many functions of this cache run at once while its store is down; no bound. The others wait for their turn: up
    /// to the `wait` of their `lock` (5 s), then they run all the same; up to their `timeout`, where they have one, then
    /// their callers get an old value or an error.
    pub fn outage_concurrency(mut self, count: usize) -> Self {
        self.outage.concurrency = Some(count);
        self
    }

    /// How long a value that was loaded while the store is down is served from this process; not at all. Such values are
    /// forgotten before the first read from the store when that is back; invalidations of other processes do not reach
    /// them, so this is how old they may be.
    pub fn degraded_ttl(mut self, ttl: Duration) -> Self {
        self.outage.degraded_ttl = Some(ttl);
        self
    }

    /// The longest entry, in bytes: header, payload as the codec writes it, nothing of it compressed; 8 MiB, and from 1 KiB
    /// to 512 MiB.
    ///
    /// A longer value is returned to who called and who waits, and not stored: an event says so, and the next call runs
    /// the function again. A longer entry that somebody else stored is a miss. It is read for all that before its length
    /// is looked at: what a server sends is bounded by what it sends until the cache's deadline has passed and the
    /// connection is given up, two seconds later.
    ///
    /// What all entries together may take is the store's to bound: [`Memory::bytes`](crate::Memory::bytes), and Redis's own
    /// `maxmemory`.
    pub fn max_entry_bytes(mut self, bytes: usize) -> Self {
        self.sizes.max_entry = bytes;
        self
    }

    /// Compresses payloads longer than `bytes` (LZ4), where that makes them shorter; not at all where this is not
    /// called. Behind the feature `lz4`.
    ///
    /// Rows of text and numbers shrink to 0.6 of 1 KiB and 0.4 of 100 KiB, and a hit takes a seventh longer to decode: 4 KiB
    /// is a good bound where the network or the server's memory is what is short. Caches without the feature read what was
    /// compressed as a miss: turn the feature on everywhere before this.
    #[cfg(feature = "lz4")]
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.sizes.compress_above = Some(bytes);
        self
    }

    /// Checks the configuration. Nothing is connected yet.
    ///
    /// Without a store, that is the server at the environment variable `REDIS_URL`, where it is set and not empty, else
    /// a [`Memory`] of 64 MiB.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Configuration`]: two stores, a URL that is none (shown without its password), a cluster without
    /// URLs, with a socket or with the number of a database among them, a TTL of zero
    /// or over a year, a jitter outside of 0.0 to 0.5, a deadline of zero or over a minute, no refreshes or
    /// outage concurrency or more than 65,536, a degraded TTL of zero or over a minute, entries of less than 1 KiB or more
    /// than 512 MiB, a prefix with white space, control characters or braces.
    pub fn build(mut self) -> Result<Cache, Error> {
        self.check()?;
        let backend = match self.store.take() {
            Some(Choice::Url(url)) => Backend::Redis(RedisStore::open(&url)?),
            Some(Choice::Cluster(urls)) => Backend::Redis(RedisStore::cluster(&urls)?),
            Some(Choice::Ready(backend)) => backend,
            None => default_backend()?,
        };
        Ok(self.finish(backend, true))
    }

    pub(super) fn in_process(self) -> Cache {
        self.finish(Backend::Memory(Memory::default()), true)
    }

    pub(super) fn disabled(self) -> Cache {
        self.finish(Backend::Memory(Memory::entries(1)), false)
    }

    fn finish(self, backend: Backend, enabled: bool) -> Cache {
        let prefix = if self.prefix.is_empty() { String::new() } else { self.prefix + ":" };
        let limits =
            Limits { deadline: self.deadline, refreshes: self.refreshes, outage: self.outage, sizes: self.sizes };
        let engine = Engine::new(backend, self.format, limits);
        let (prefix, templates) = (prefix.into(), Templates::default());
        let shared = Shared { engine, prefix, ttl: self.ttl, jitter: self.jitter, enabled, templates };
        Cache { shared: Arc::new(shared) }
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::new(ErrorKind::Configuration, why));
        if self.choices > 1 {
            return refuse(format!("{} stores are configured: a cache has one", self.choices));
        }
        if self.ttl.is_zero() || self.ttl > MAX_TTL {
            return refuse(format!("the default TTL is {:?}: it must be above zero and at most a year", self.ttl));
        }
        if !(0.0..=MAX_JITTER).contains(&self.jitter) {
            return refuse(format!("the jitter is {}: it must be from 0.0 to {MAX_JITTER:?}", self.jitter));
        }
        if self.deadline.is_zero() || self.deadline > MAX_DEADLINE {
            return refuse(format!("the deadline is {:?}: it must be above zero and at most a minute", self.deadline));
        }
        if !(1..=MAX_REFRESHES).contains(&self.refreshes) {
            return refuse(format!("{} refreshes at once: it must be from 1 to {MAX_REFRESHES}", self.refreshes));
        }
        if self.outage.concurrency.is_some_and(|count| !(1..=MAX_REFRESHES).contains(&count)) {
            return refuse(format!("the outage concurrency must be from 1 to {MAX_REFRESHES}"));
        }
        if self.outage.degraded_ttl.is_some_and(|ttl| ttl.is_zero() || ttl > MAX_DEADLINE) {
            return refuse("the degraded TTL must be above zero and at most a minute".to_owned());
        }
        if !(MIN_MAX_ENTRY..=MAX_MAX_ENTRY).contains(&self.sizes.max_entry) {
            return refuse(format!(
                "entries of {} bytes at the most: it must be from {MIN_MAX_ENTRY} to {MAX_MAX_ENTRY}",
                self.sizes.max_entry
            ));
        }
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}');
        if let Some(odd) = self.prefix.chars().find(|c| odd(*c)) {
            return refuse(format!(
                "the prefix {:?} contains {odd:?}: use letters, digits, `-`, `_`, `.`, `:`",
                self.prefix
            ));
        }
        Ok(())
    }
}

fn default_backend() -> Result<Backend, Error> {
    let url = match std::env::var(URL_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        Ok(_) | Err(std::env::VarError::NotPresent) => {
            observe::default_cache("in this process");
            return Ok(Backend::Memory(Memory::default()));
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(Error::new(ErrorKind::Configuration, format!("{URL_VARIABLE} is not valid Unicode")));
        }
    };
    let store = RedisStore::open(&url)?;
    observe::default_cache(URL_VARIABLE);
    Ok(Backend::Redis(store))
}

impl fmt::Debug for CacheBuilder {
    /// Leaves the store out: its URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("prefix", &self.prefix)
            .field("default_ttl", &self.ttl)
            .field("jitter", &self.jitter)
            .field("format", &self.format)
            .field("deadline", &self.deadline)
            .field("max_refreshes", &self.refreshes)
            .field("outage", &self.outage)
            .field("sizes", &self.sizes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_make_no_sense_are_refused_with_the_cure() {
        let refused = |builder: CacheBuilder| {
            let error = builder.build().expect_err("makes no sense");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            error.to_string()
        };
        let memory = || Cache::builder().memory(Memory::entries(1));
        assert!(refused(memory().redis_url("redis://db")).contains("2 stores"));
        assert!(refused(memory().default_ttl(Duration::ZERO)).contains("above zero"));
        assert!(refused(memory().default_ttl(Duration::MAX)).contains("at most a year"));
        assert!(refused(memory().jitter(f64::NAN)).contains("from 0.0 to 0.5"));
        assert!(refused(memory().jitter(0.6)).contains("0.6"));
        assert!(refused(memory().deadline(Duration::ZERO)).contains("deadline"));
        assert!(refused(memory().outage_concurrency(0)).contains("outage concurrency"));
        assert!(refused(memory().degraded_ttl(Duration::from_secs(3600))).contains("degraded TTL"));
        assert!(refused(memory().max_refreshes(0)).contains("from 1 to 65536"));
        assert!(refused(memory().max_entry_bytes(8)).contains("from 1024 to 536870912"));
        assert!(refused(memory().prefix("a b")).contains("' '"));
        let url = refused(Cache::builder().redis_url("http://ada:hunter2@db"));
        assert!(url.contains("http://***@db") && !url.contains("hunter2"), "{url}");
    }

    #[test]
    fn a_builder_does_not_print_its_url() {
        let shown = format!("{:?}", Cache::builder().redis_url("redis://:hunter2@db"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

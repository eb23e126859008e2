//! The configuration of a cache, checked as a whole when it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::choice::{self, Choice};
use super::mistakes::Mistakes;
use super::{Cache, Remark, Shared, Templates, prefixes};
use crate::codec::{BuiltInCodec, Coding, Format, OfCache, Sealed, Shape};
use crate::engine::{DEFAULT_PENDING_BYTES, DEFAULT_REFRESHES, Engine, Limits, OutagePlan};
use crate::entry::{MAX_MAX_ENTRY, MIN_MAX_ENTRY, Sizes};
use crate::error::Error;
use crate::policy::DEFAULT_TTL;
use crate::policy::ttl::{DEFAULT_JITTER, MAX_JITTER, MAX_TTL};
use crate::store::redis::{Client, ConnectionLike, RedisStore, Tls};
use crate::store::{Backend, Memory, OwnStore, Store};

/// What all the cache steps of one call may take together. A healthy Redis in the same region answers in one or two
/// milliseconds and stalls for some tens when it forks; a caller should hardly notice a hung one. Raising it tolerates
/// slower networks and makes calls slower when Redis hangs.
const DEFAULT_DEADLINE: Duration = Duration::from_millis(250);

/// The longest deadline: a caller that waits longer than this for a cache has no cache.
const MAX_DEADLINE: Duration = Duration::from_secs(60);

/// The most refreshes at once: more is no bound.
const MAX_REFRESHES: usize = 1 << 16;

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
    tls: Tls,
    shape: Shape,
    overwrites_foreign: bool,
    pending_bytes: usize,
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
            tls: Tls::default(),
            shape: Shape::default(),
            overwrites_foreign: false,
            pending_bytes: DEFAULT_PENDING_BYTES,
        }
    }

    fn with(mut self, store: Choice) -> Self {
        self.store = Some(store);
        self.choices += 1;
        self
    }

    /// Stores entries on the server at this URL: `redis://[user:password@]host[:port][/database]`, `rediss://…` over TLS
    /// (feature `tls`). Connects when first used, once for each tokio runtime, and again when a connection is lost; that
    /// Redis is away fails nothing.
    ///
    /// Over TLS the server's certificate must be for the host in the URL, and signed by a CA that this machine trusts, or
    /// one in the file that the environment variable `SSL_CERT_FILE` names, or the one that the builder is given
    /// (`tls_ca_file`, `tls_ca_pem`). A certificate that is not is an error as a server that is away is: functions run
    /// without the cache, and [`health`](Cache::health) says why.
    pub fn redis_url(self, url: impl Into<String>) -> Self {
        self.with(Choice::Url(url.into()))
    }

    /// Stores entries on the server whose URL is in the environment variable `REDIS_URL`, which is read by
    /// [`build`](Self::build): it is an error there that the variable is not set, is empty or cannot be used. Without
    /// this, a cache that is given no store is in this process where the variable is not set.
    pub fn from_env(self) -> Self {
        self.with(Choice::Environment)
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

    /// Trusts this CA, and no other, when connecting over TLS: certificates in PEM. Nodes of a cluster are connected to with
    /// it as well. Behind the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls = Tls::Pem(pem.into());
        self
    }

    /// Trusts the CA in this file, and no other, when connecting over TLS, as [`tls_ca_pem`](Self::tls_ca_pem) does. The
    /// file is read by [`build`](Self::build). Behind the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls_ca_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.tls = Tls::File(path.into());
        self
    }

    /// Puts `prefix` and `:` before every key, to keep programs or deployments on one server apart. A prefix is one
    /// segment, `prod` or `shop-eu`: it contains no `:`, so that the first one in a key ends it. Functions whose templates
    /// begin with another cache's prefix and use a cache without one are an event.
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

    /// Which shapes of their types functions read that do not say; [`Shape::Exact`].
    ///
    /// With [`Shape::Compatible`] the releases of a program that run side by side during a deploy read each other's
    /// entries. A function whose own codec is not self-describing keeps to exact, and a warning says so once.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Whether a string at a function's key that this library did not write is overwritten; it is not.
    ///
    /// Such a string is left alone, since it may be another program's data: the function runs without the cache, a
    /// warning says so once a minute and function, and `put` on its entry is an error. `true` is for a migration from
    /// hand-written caching under the same keys: the old strings are then misses, and are overwritten. `invalidate`
    /// removes whatever is at its key in both cases, as `DEL` does, and keys of other types than strings are never
    /// overwritten. An entry of this library that is damaged, or of another version, is not such a string.
    pub fn overwrite_foreign(mut self, overwrite: bool) -> Self {
        self.overwrites_foreign = overwrite;
        self
    }

    /// What the keys of pending invalidations may take, in bytes, for tests of what happens past it; 16 MiB.
    #[cfg(feature = "test-util")]
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.pending_bytes = bytes;
        self
    }

    /// Checks the configuration. Nothing is connected yet.
    ///
    /// Without a store, that is the server at the environment variable `REDIS_URL`, where it is set and not empty, else
    /// a [`Memory`] of 64 MiB.
    ///
    /// # Errors
    ///
    /// One of kind [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) that names all mistakes, each with the
    /// cure: several stores, a URL that cannot be used (shown without any part of it that may be secret), a `REDIS_URL`
    /// that is asked for and not set, `rediss://` without the feature `tls`, a CA that cannot be read or is not used, a
    /// cluster without URLs, with a socket or with the number of a database among them, a
    /// [`Memory`] of no entries or of less than 64 KiB, a TTL of zero or over a year, a jitter outside of 0.0 to 0.5, a
    /// deadline of zero or over a minute, no refreshes or outage concurrency or more than 65,536, a degraded TTL of zero
    /// or over a minute, entries of less than 1 KiB or more than 512 MiB, a prefix with white space, control characters,
    /// braces, `:` or `~`, compatible shapes with a codec that is not self-describing.
    pub fn build(mut self) -> Result<Cache, Error> {
        let store = self.store.take();
        let backend = self.mistakes().reported(choice::open(store, &self.tls))?;
        Ok(self.finish(backend, Remark::None, true))
    }

    /// A cache in this process, in place of one that could not be built.
    pub(super) fn in_place_of(self, error: &Error) -> Cache {
        let remark = Remark::InsteadOf(format!("{error}: caching in this process only").into());
        self.finish(Backend::Memory(Memory::default()), remark, true)
    }

    pub(super) fn disabled(self) -> Cache {
        self.finish(Backend::Memory(Memory::entries(1)), Remark::None, false)
    }

    fn finish(self, backend: Backend, remark: Remark, enabled: bool) -> Cache {
        let is_shared = enabled && !matches!(backend, Backend::Memory(_));
        let is_bare = self.prefix.is_empty();
        let remark = if is_shared && is_bare { Remark::WithoutPrefix } else { remark };
        let prefix = if is_bare { String::new() } else { self.prefix + ":" };
        let limits = Limits {
            deadline: self.deadline,
            refreshes: self.refreshes,
            outage: self.outage,
            sizes: self.sizes,
            overwrites_foreign: self.overwrites_foreign,
            pending_bytes: self.pending_bytes,
        };
        let engine = Engine::new(backend, &prefix, self.format, limits);
        let (ttl, jitter, shape) = (self.ttl, self.jitter, self.shape);
        let shared = Arc::new(Shared {
            engine,
            prefix: prefix.into(),
            ttl,
            jitter,
            shape,
            enabled,
            remark,
            templates: Templates::default(),
        });
        if is_shared && !is_bare {
            prefixes::register(&shared);
        }
        Cache { shared }
    }

    /// The mistakes in everything but the store.
    fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        if self.choices > 1 {
            mistakes.add(format!(
                "{} stores are configured, and a cache has one: keep one of `redis_url`, `from_env`, `redis_cluster`, \
                 `redis_client`, `redis_connection`, `memory` and `store`",
                self.choices
            ));
        }
        let (year, minute) = ((MAX_TTL, "a year"), (MAX_DEADLINE, "a minute"));
        mistakes.check_duration("default TTL", self.ttl, year, "default_ttl(Duration::from_secs(300))");
        if !(0.0..=MAX_JITTER).contains(&self.jitter) {
            let found = self.jitter;
            mistakes.add(format!("the jitter is {found}: it must be from 0.0 to {MAX_JITTER:?}, as in `jitter(0.1)`"));
        }
        mistakes.check_duration("deadline", self.deadline, minute, "deadline(Duration::from_millis(250))");
        let counts = 1..=MAX_REFRESHES;
        mistakes.check_number("the number of refreshes at once", self.refreshes, &counts, "max_refreshes(64)");
        if let Some(found) = self.outage.concurrency {
            mistakes.check_number("the outage concurrency", found, &counts, "outage_concurrency(32)");
        }
        if let Some(found) = self.outage.degraded_ttl {
            mistakes.check_duration("degraded TTL", found, minute, "degraded_ttl(Duration::from_secs(5))");
        }
        let lengths = MIN_MAX_ENTRY..=MAX_MAX_ENTRY;
        mistakes.check_number("the longest entry", self.sizes.max_entry, &lengths, "max_entry_bytes(8 << 20)");
        mistakes.check_prefix(&self.prefix);
        if self.shape == Shape::Compatible && !OfCache::is_self_describing(self.format) {
            mistakes.add(format!(
                "shapes are compatible, and the codec {:?} is not self-describing, so it cannot tell them apart: leave \
                 `shape(Shape::Compatible)` out, or use the codec `MessagePack` or `Json`",
                self.format
            ));
        }
        mistakes
    }
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
            .field("shape", &self.shape)
            .field("overwrite_foreign", &self.overwrites_foreign)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The handle of a cache, and the process's default one.

mod builder;
mod choice;
mod mistakes;
mod prefixes;
mod shutdown;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join;
use once_cell::sync::OnceCell;
use tokio::time::timeout_at;

pub use self::builder::CacheBuilder;
pub use self::shutdown::Shutdown;
use crate::codec::Shape;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::site::Site;
use crate::{clock, observe, runtime};

/// A cache: a store, and the defaults of the functions that use it. Cheap to clone; clones share everything.
///
/// Most programs [`install`](Self::install) one in `main`, and annotated functions find it. A program with several (one
/// Redis for sessions, another for pages) names them: `cache = self.pages`.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// With its separator; empty where there is none.
    pub(crate) prefix: Box<str>,
    pub(crate) ttl: Duration,
    pub(crate) jitter: f64,
    pub(crate) shape: Shape,
    pub(crate) enabled: bool,
    remark: Remark,
}

/// What is to be said of this cache to each function that uses it.
enum Remark {
    None,
    /// It is in place of one that could not be built, for this reason.
    InsteadOf(Box<str>),
    /// It has no prefix, and its store is shared with others.
    WithoutPrefix,
}

impl Shared {
    /// A function is about to use this cache.
    pub(crate) fn is_used_by(&self, site: &'static Site) {
        match &self.remark {
            Remark::None => {}
            Remark::InsteadOf(why) => {
                if !site.told.load(Ordering::Relaxed) && !site.told.swap(true, Ordering::Relaxed) {
                    observe::cached_elsewhere(site, why);
                }
            }
            Remark::WithoutPrefix => {
                if !site.bare.load(Ordering::Relaxed) && !site.bare.swap(true, Ordering::Relaxed) {
                    prefixes::meets(site);
                }
            }
        }
    }
}

/// A patience without a limit, as far as clocks reach.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

static CURRENT: OnceCell<Cache> = OnceCell::new();

impl Cache {
    /// Starts the configuration of a cache.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new()
    }

    /// A cache that caches nothing: every call runs its function, entries are empty, writes go nowhere. For tests of
    /// code with cached functions in it.
    #[must_use]
    pub fn disabled() -> Self {
        CacheBuilder::new().disabled()
    }

    /// Makes this the process's cache: the one that functions use which name none. It works in every tokio runtime of
    /// the process, also when the one that first used it is gone.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Configuration`] where the process already has one: installed, or chosen by the first cached
    /// call before this.
    pub fn install(self) -> Result<&'static Self, Error> {
        let mut installed = false;
        let current = CURRENT.get_or_init(|| {
            installed = true;
            self
        });
        if installed {
            return Ok(current);
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "this process already has a cache: install once, at the start of `main`, before the first cached call",
        ))
    }

    /// The process's cache: the installed one. Where none is installed when this is first asked, it is made then, and
    /// stays: on `REDIS_URL` where that is set, else in this process ([`Memory`](crate::Memory)).
    ///
    /// Where `REDIS_URL` is set and cannot be used, the cache is in this process: that is an error event, here and at the
    /// first use of each function, and [`health`](Self::health) is [`Misconfigured`](crate::State::Misconfigured) and
    /// says why. A program that would rather not start builds its cache with [`from_env`](CacheBuilder::from_env).
    pub fn current() -> &'static Self {
        CURRENT.get_or_init(|| {
            CacheBuilder::new().build().unwrap_or_else(|error| {
                observe::default_cache_failed(&error);
                CacheBuilder::new().in_place_of(&error)
            })
        })
    }

    /// Ends the background work of this cache, before the process exits, and returns what is lost by that.
    ///
    /// No refresh starts any more. Refreshes that run, bodies with tasks of their own and leases on their way back get up
    /// to `patience`. Refreshes that have not ended then are stopped; their leases are given back, or expire. Meanwhile
    /// pending invalidations are sent, by their keys and by a sweep where one is needed. Those that have not got through
    /// after `patience` are lost if the process exits: they are returned, and an error event says so.
    ///
    /// Calls go on working, refresh nothing, and pending invalidations are still repeated while the process lives.
    /// Dropping the future leaves all of it running. Outside of a tokio runtime, and in one without timers, it waits for
    /// nothing and sends nothing.
    ///
    /// ```
    /// # async fn example(cache: cache_runtime::Cache) {
    /// let lost = cache.shutdown(std::time::Duration::from_secs(5)).await;
    /// if !lost.is_clean() {
    ///     eprintln!("the cache was not done: {lost}");
    /// }
    /// # }
    /// ```
    pub async fn shutdown(&self, patience: Duration) -> Shutdown {
        let engine = &self.shared.engine;
        let now = clock::now();
        let until = now.checked_add(patience).unwrap_or_else(|| now + FOR_EVER);
        let tasks = engine.background.shut_down(patience);
        let unfinished_tasks = if runtime::with_timers().is_ok() {
            let (unfinished_tasks, _) = join(tasks, timeout_at(until, engine.send_pending())).await;
            // The tasks may have left some. An error means that the patience is over.
            let _ = timeout_at(until, engine.send_pending()).await;
            unfinished_tasks
        } else {
            tasks.await
        };
        let pending = engine.health().pending;
        if !pending.is_empty() {
            observe::pending_at_shutdown(pending.count(), pending.last_error().unwrap_or_default());
        }
        Shutdown { unfinished_tasks, pending }
    }

    /// How this cache fares: the state of its store and why, the invalidations that are pending, the calls that went
    /// without it. Performs no I/O, so it is cheap enough for every probe.
    #[must_use]
    pub fn health(&self) -> Health {
        let health = self.shared.engine.health();
        match &self.shared.remark {
            Remark::InsteadOf(why) => health.misconfigured(why),
            Remark::None | Remark::WithoutPrefix => health,
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// The cache of a function: the process's, which no counter is kept of, or the one that the function names.
#[derive(Clone, Debug)]
pub enum CacheRef {
    /// The process's.
    Current(&'static Cache),
    /// The one that the function names.
    Named(Cache),
}

impl CacheRef {
    pub(crate) fn get(&self) -> &Cache {
        match self {
            Self::Current(cache) => cache,
            Self::Named(cache) => cache,
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.get().shared.engine
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("prefix", &self.shared.prefix)
            .field("default_ttl", &self.shared.ttl)
            .field("enabled", &self.shared.enabled)
            .finish_non_exhaustive()
    }
}

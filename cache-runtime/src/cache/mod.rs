//! The handle of a cache, and the process's default one.

mod builder;
mod choice;
mod mistakes;
mod prefixes;
mod shutdown;
mod templates;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join;
use once_cell::sync::OnceCell;
use tokio::time::timeout_at;

pub use self::builder::CacheBuilder;
pub use self::shutdown::Shutdown;
pub use self::templates::{Constants, Template};
pub(crate) use self::templates::{Templates, Use};
use crate::codec::Shape;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::scope::{self, Mode};
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
    pub(crate) templates: Templates,
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

/// The cache of the process. Calls borrow it for as long as they live, so that they count no references; one that a test
/// has replaced stays where it is.
struct Installed {
    cache: Cache,
    replaced_by: OnceCell<Box<Self>>,
}

static INSTALLED: OnceCell<Installed> = OnceCell::new();

impl Installed {
    fn new(cache: Cache) -> Self {
        Self { cache, replaced_by: OnceCell::new() }
    }

    /// The one that replaced this one, or the one that replaced that, and so on.
    fn newest(&'static self) -> &'static Self {
        std::iter::successors(Some(self), |installed| installed.replaced_by.get().map(|newer| &**newer))
            .last()
            .unwrap_or(self)
    }
}

/// The cache of the process, made now if there is none.
fn installed() -> &'static Cache {
    &INSTALLED.get_or_init(|| Installed::new(default_cache())).newest().cache
}

fn default_cache() -> Cache {
    CacheBuilder::new().build().unwrap_or_else(|error| {
        observe::default_cache_failed(&error);
        CacheBuilder::new().in_place_of(&error)
    })
}

impl Cache {
    /// Starts the configuration of a cache.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new()
    }

    /// A cache that caches nothing: every call runs its function, entries are empty, writes go nowhere. For tests of
    /// code with cached functions in it, where each test puts itself into the [`scope`](Self::scope) of one.
    #[must_use]
    pub fn disabled() -> Self {
        CacheBuilder::new().disabled()
    }

    /// Makes this the process's cache: the one that functions use which name none, outside of any
    /// [`scope`](Self::scope). It works in every tokio runtime of the process, also when the one that first used it is
    /// gone.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Configuration`] where the process already has one: installed, or chosen by the first cached
    /// call before this.
    pub fn install(self) -> Result<&'static Self, Error> {
        let mut is_installed = false;
        let installed = INSTALLED.get_or_init(|| {
            is_installed = true;
            Installed::new(self)
        });
        if is_installed {
            return Ok(&installed.cache);
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "this process already has a cache: install once, at the start of `main`, before the first cached call; in \
             tests, use `cache.scope(…)`, or `install_for_tests`",
        ))
    }

    /// Makes this the process's cache, as [`install`](Self::install) does, in the place of one that the process may
    /// already have. Calls that are under way keep the cache with which they began.
    ///
    /// This is for tests that cannot wrap what they test in a [`scope`](Self::scope). There is one cache for the whole
    /// process, so it is for tests of which one runs at a time: under `cargo nextest`, which gives each test a process of
    /// its own, or with `cargo test -- --test-threads=1`. Where several tests run in one process at once, each may get the
    /// cache of another one; a scope is the tool there.
    ///
    /// Caches that were replaced stay in memory until the process ends.
    pub fn install_for_tests(self) -> &'static Self {
        let mut new = Box::new(Installed::new(self));
        let Some(oldest) = INSTALLED.get() else {
            // Somebody else may install one in between, and then this one replaces it.
            return match INSTALLED.try_insert(*new) {
                Ok(installed) => &installed.cache,
                Err((_, rejected)) => rejected.cache.install_for_tests(),
            };
        };
        loop {
            match oldest.newest().replaced_by.try_insert(new) {
                Ok(installed) => return &installed.cache,
                Err((_, rejected)) => new = rejected,
            }
        }
    }

    /// The cache of functions that name none: that of the innermost [`scope`](Self::scope) around this, else the
    /// process's, which is the installed one. Where none is installed when this is first asked, it is made then, and
    /// stays: on `REDIS_URL` where that is set, else in this process ([`Memory`](crate::Memory)). A `REDIS_URL` that
    /// makes no sense is an error event, and the cache is in this process.
    #[must_use]
    pub fn current() -> Self {
        scope::cache().unwrap_or_else(|| installed().clone())
    }

    /// Runs `future` with this cache: every cached call in it uses it, however deep, unless its function names another
    /// one. So each test and each tenant can have a cache of its own, in one process and at the same time. Of nested
    /// scopes, the innermost decides. Inside, the process's cache is not used, and `REDIS_URL` is not read for one.
    ///
    /// A scope reaches as far as its task, which includes what a cached function runs by itself: bodies that have tasks of
    /// their own (`detach`) and refreshes in the background. A task that `future` spawns is outside. Take the cache along:
    ///
    /// ```
    /// use cache_runtime::{Cache, Memory, redis_cached};
    ///
    /// #[redis_cached(key = "greeting:<name>")]
    /// async fn greeting(name: &str) -> String {
    ///     format!("Hello {name}")
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::builder().memory(Memory::entries(100)).build()?;
    /// let greetings = cache.scope(async {
    ///     let here = greeting("Ada").await;
    ///     let cache = Cache::current(); // the cache of the scope
    ///     let there = tokio::spawn(async move { cache.scope(greeting("Bob")).await });
    ///     there.await.map(|there| [here, there])
    /// });
    /// assert_eq!(greetings.await?, ["Hello Ada", "Hello Bob"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The handle of an entry has the cache that was current where the handle was made: make it inside, as in
    /// `cache.scope(async { user_entry(7).invalidate().await })`.
    ///
    /// Dropping the future drops `future`.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        scope::with_cache(self.clone(), future)
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

    /// A function uses its key template in this cache. One that caches nothing mixes up nothing.
    pub(crate) fn admit(&self, used: Use) {
        if self.shared.enabled {
            self.shared.templates.admit(used);
        }
    }
}

/// The cache of a function.
#[derive(Clone, Debug)]
pub enum CacheRef {
    /// The current one, which is found out when the call begins.
    Current,
    /// The process's, which no counter is kept of.
    Installed(&'static Cache),
    /// The one that the function names, or that of a scope.
    Held(Cache),
}

impl CacheRef {
    pub(crate) fn get(&self) -> &Cache {
        match self {
            Self::Current => installed(),
            Self::Installed(cache) => cache,
            Self::Held(cache) => cache,
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.get().shared.engine
    }

    /// Finds out which cache the current one is, and what the scopes around the call ask of it.
    pub(crate) fn resolve(&mut self) -> Mode {
        let is_open = matches!(self, Self::Current);
        let (mode, scoped) = scope::enter(is_open);
        match scoped {
            Some(cache) => *self = Self::Held(cache),
            None if is_open => *self = Self::Installed(installed()),
            None => {}
        }
        if self.get().shared.enabled { mode } else { Mode::Bypass }
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

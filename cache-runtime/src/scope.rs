//! Scopes around a future: `refresh`, `bypass`, `report` and `Cache::scope`. They reach every cached call that the future
//! makes in its own task, however deep; a task that it spawns is outside.
//!
//! The future is boxed: an async function would hold it twice, as it came and as it is awaited, and scopes are nested.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::Cache;
use crate::report::{CallReport, Report};

/// What a scope asks of the cached calls in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Read the cache, fill it on a miss.
    #[default]
    Cached,
    /// Run the function and store its value, whatever is cached.
    Refresh,
    /// Run the function, touch no cache.
    Bypass,
}

#[derive(Clone, Debug, Default)]
struct Scope {
    mode: Mode,
    reports: Option<Arc<Mutex<Vec<CallReport>>>>,
    cache: Option<Cache>,
}

tokio::task_local! {
    static SCOPE: Scope;
    static LEADING: Leading;
}

fn current() -> Scope {
    SCOPE.try_with(Clone::clone).unwrap_or_default()
}

/// Runs every cached call in `future` afresh and stores what it returns. A value that is cached stays readable for
/// others until the new one replaces it, and an invalidation meanwhile wins.
///
/// ```
/// # use cache_runtime::redis_cached;
/// #[redis_cached(key = "rate:<currency>:v1", ttl = "1h")]
/// async fn rate(currency: &str) -> f64 {
///     1.0 // stands for a call to a bank
/// }
///
/// # async fn example() {
/// let rate = cache_runtime::refresh(rate("EUR")).await;
/// # }
/// ```
pub fn refresh<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let future = Box::pin(future);
    async { SCOPE.scope(Scope { mode: Mode::Refresh, ..current() }, future).await }
}

/// Runs every cached call in `future` without the cache: nothing is read, nothing is stored.
pub fn bypass<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let future = Box::pin(future);
    async { SCOPE.scope(Scope { mode: Mode::Bypass, ..current() }, future).await }
}

/// Runs `future` and reports what became of each cached call in it, in the order in which they ended. Calls under an
/// inner `report` are reported there.
pub fn report<F: Future>(future: F) -> impl Future<Output = (F::Output, Report)> {
    let future = Box::pin(future);
    async {
        let reports = Arc::<Mutex<Vec<CallReport>>>::default();
        let output = SCOPE.scope(Scope { reports: Some(Arc::clone(&reports)), ..current() }, future).await;
        let calls = std::mem::take(&mut *reports.lock().unwrap_or_else(PoisonError::into_inner));
        (output, Report::new(calls))
    }
}

/// Runs every cached call in `future` whose function names no cache with this one.
pub(crate) fn with_cache<F: Future>(cache: Cache, future: F) -> impl Future<Output = F::Output> {
    let future = Box::pin(future);
    async { SCOPE.scope(Scope { cache: Some(cache), ..current() }, future).await }
}

/// Takes the scopes of this task along into another one, for a caller that waits for it.
pub(crate) fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    SCOPE.scope(current(), future)
}

/// Takes the cache of this task along into another one that has no caller: nobody reads its reports, and no scope asked
/// for what it loads.
pub(crate) fn inherit_cache<F: Future>(future: F) -> impl Future<Output = F::Output> {
    SCOPE.scope(Scope { cache: cache(), ..Scope::default() }, future)
}

/// The cache of the innermost scope that has one.
pub(crate) fn cache() -> Option<Cache> {
    SCOPE.try_with(|scope| scope.cache.clone()).ok().flatten()
}

/// The mode of a call that begins, and the cache of the scopes around it where that is wanted. A call looks at its task
/// once: that is why one function tells both.
pub(crate) fn enter(wants_cache: bool) -> (Mode, Option<Cache>) {
    let found = |scope: &Scope| (scope.mode, scope.cache.as_ref().filter(|_| wants_cache).cloned());
    SCOPE.try_with(found).unwrap_or_default()
}

/// Hands a call's report to the scope around it; makes none where nobody asked.
pub(crate) fn record(call: impl FnOnce() -> CallReport) {
    // Outside of any scope there is nobody to hand it to.
    let _ = SCOPE.try_with(|scope| {
        if let Some(reports) = &scope.reports {
            reports.lock().unwrap_or_else(PoisonError::into_inner).push(call());
        }
    });
}

/// The keys whose functions run in this task, innermost first.
#[derive(Clone)]
pub(crate) struct Leading(Arc<Led>);

struct Led {
    cache: usize,
    key: Arc<str>,
    outer: Option<Leading>,
}

impl Leading {
    /// This task's keys, and `key` of the cache at this address.
    pub(crate) fn of(cache: usize, key: Arc<str>) -> Self {
        Self(Arc::new(Led { cache, key, outer: Self::current() }))
    }

    /// This task's keys.
    pub(crate) fn current() -> Option<Self> {
        LEADING.try_with(Clone::clone).ok()
    }

    /// Runs a poll of the function that loads the innermost.
    pub(crate) fn within<R>(&self, poll: impl FnOnce() -> R) -> R {
        LEADING.sync_scope(self.clone(), poll)
    }
}

impl fmt::Debug for Leading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.key)
    }
}

/// Whether this task is inside the body that leads `key`: such a call must not wait for itself.
pub(crate) fn leads(cache: usize, key: &str) -> bool {
    LEADING
        .try_with(|innermost| {
            std::iter::successors(Some(&*innermost.0), |led| led.outer.as_ref().map(|outer| &*outer.0))
                .any(|led| led.cache == cache && *led.key == *key)
        })
        .unwrap_or(false)
}

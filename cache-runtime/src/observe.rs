//! The only place that emits events: every outcome, and every error that is not handed to the caller.
//!
//! All have the target `cache_runtime` and name the function and the key; values are never shown. What an operator
//! should know is a warning, what happens all the time is `DEBUG` or `TRACE`.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, Timestamp};
use crate::entry::Defect;
use crate::error::Error;
use crate::report::Outcome;
use crate::runtime::Lack;
use crate::site::Site;

const TARGET: &str = "cache_runtime";

macro_rules! event {
    ($level:ident, $site:expr, $key:expr, $($rest:tt)*) => {
        tracing::$level!(target: TARGET, function = $site.function, module = $site.module, key = $key, $($rest)*)
    };
}

/// A call has its answer; `age` is that of the value, where one came from the store.
pub(crate) fn outcome(site: &Site, key: &str, outcome: Outcome, age: impl Fn() -> Option<Duration>) {
    let age_ms = || age().map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    if outcome == Outcome::Hit {
        event!(trace, site, key, outcome = outcome.as_str(), age_ms = age_ms(), "cached call");
    } else {
        event!(debug, site, key, outcome = outcome.as_str(), age_ms = age_ms(), "cached call");
    }
}

/// A step on the store failed, and the call goes on without it.
pub(crate) fn failed(site: &Site, key: &str, step: &'static str, error: &Error) {
    let kind = error.kind().as_str();
    event!(warn, site, key, step, kind, %error, "the cache failed, the call goes on without it");
}

/// How long an event that every call could emit is held back after it was emitted. While two releases of a program run,
/// each call may find an entry of the other one: an operator needs to know that, once, and how often. Raising it makes
/// the log shorter and the count older.
const NOTICE_PAUSE: Duration = Duration::from_secs(60);

/// When the events of one function that every call could emit were emitted, for each reason apart. Nothing is allocated,
/// and the time is read only when there is an event.
#[derive(Debug)]
pub(crate) struct Notices {
    defects: [Notice; Defect::COUNT],
    keeps_to_exact: AtomicBool,
}

#[derive(Debug)]
struct Notice {
    /// In ticks of the monotonic clock; zero before the first event.
    next: AtomicU64,
    suppressed: AtomicU64,
}

impl Notices {
    pub(crate) const fn new() -> Self {
        let defects = [const { Notice { next: AtomicU64::new(0), suppressed: AtomicU64::new(0) } }; Defect::COUNT];
        Self { defects, keeps_to_exact: AtomicBool::new(false) }
    }

    /// Whether the event is emitted now, and how many were suppressed since the last one.
    fn admit(&self, defect: Defect) -> Option<u64> {
        let Notice { next, suppressed } = &self.defects[defect as usize];
        let (now, due) = (Timestamp::monotonic().ticks(), next.load(Ordering::Relaxed));
        let after = now + clock::ticks(NOTICE_PAUSE);
        // One of those that come at once emits it.
        if now < due || next.compare_exchange(due, after, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(suppressed.swap(0, Ordering::Relaxed))
    }
}

/// A step on a store that is known to refuse writes was refused, and the call goes on without it.
pub(crate) fn write_refused(site: &Site, key: &str, step: &'static str, error: &Error) {
    event!(debug, site, key, step, %error, "the store refuses writes, the call goes on without it");
}

/// An entry is there and cannot be used; it is overwritten.
pub(crate) fn unusable(site: &Site, key: &str, defect: Defect) {
    unusable_because(site, key, defect, defect.as_str());
}

/// An entry is there and cannot be decoded; it is overwritten. The cause is left out: it can contain the value.
pub(crate) fn undecodable(site: &Site, key: &str, error: &Error) {
    unusable_because(site, key, Defect::Undecodable, &error.to_string());
}

fn unusable_because(site: &Site, key: &str, defect: Defect, why: &str) {
    if let Some(suppressed) = site.notices.admit(defect) {
        event!(warn, site, key, why, suppressed, "an entry cannot be used and counts as a miss");
    }
}

/// A string at a key is not an entry of this library, and is left alone.
pub(crate) fn foreign(site: &Site, key: &str) {
    if let Some(suppressed) = site.notices.admit(Defect::Foreign) {
        event!(
            warn,
            site,
            key,
            suppressed,
            "the key holds a string that this library did not write: it is left alone and the function runs without the \
             cache; if such strings may be replaced, build the cache with `overwrite_foreign(true)`"
        );
    }
}

/// A function is to read other shapes of its type, and its codec cannot: said once of each function.
pub(crate) fn keeps_to_exact(site: &Site, key: &str) {
    if !site.notices.keeps_to_exact.swap(true, Ordering::Relaxed) {
        event!(
            warn,
            site,
            key,
            "the codec is not self-describing, so entries of another shape stay misses: name a codec that is, as in \
             `codec = MessagePack`, or write `shape = \"exact\"` on the function"
        );
    }
}

/// A value cannot be encoded; it is returned and not stored. The cause is left out: it can contain the value.
pub(crate) fn not_encoded(site: &Site, key: &str, error: &Error) {
    event!(warn, site, key, %error, "a value cannot be encoded and is not stored");
}

/// A value is longer than the cache allows; it is returned and not stored.
pub(crate) fn too_long(site: &Site, key: &str, bytes: usize, limit: usize) {
    event!(warn, site, key, bytes, limit, "a value is longer than `max_entry_bytes` and is not stored");
}

/// A value was decoded again from its own bytes, and it is another one.
pub(crate) fn comes_back_changed(site: &Site, key: &str, value_type: &'static str) {
    event!(
        error,
        site,
        key,
        value_type,
        "a value changes on its way to the store and back, so hits return another value than misses: look for \
         `#[serde(skip)]`, `Some(None)` and what serializes other than it deserializes"
    );
}

/// A value cannot be decoded from its own bytes. The cause is left out: it can contain the value.
pub(crate) fn does_not_come_back(site: &Site, key: &str, value_type: &'static str, error: &Error) {
    event!(
        error,
        site,
        key,
        value_type,
        %error,
        "a value cannot be read back from what was written of it, so there are no hits: use another codec for this type"
    );
}

/// A function that uses a key template.
pub(crate) struct TemplateUser<'u> {
    pub(crate) site: &'static Site,
    /// As the user wrote it, with its constants rendered.
    pub(crate) template: &'u str,
    /// The type of its values, where it is known.
    pub(crate) value: Option<&'static str>,
}

/// Two functions share their values, or one shares those of two types, and do not say that they mean it.
pub(crate) fn template_used_twice(second: &TemplateUser<'_>, first: &TemplateUser<'_>, cure: &'static str) {
    let other = first.site;
    tracing::error!(
        target: TARGET,
        function = second.site.function,
        module = second.site.module,
        place = %second.site.place,
        template = second.template,
        value_type = second.value,
        other_function = other.function,
        other_module = other.module,
        other_place = %other.place,
        other_template = first.template,
        other_value_type = first.value,
        "two uses of one key template share their values in this cache: {cure}"
    );
}

/// A value is longer than what the store keeps; it is returned and not stored.
pub(crate) fn does_not_fit(site: &Site, key: &str, error: &Error) {
    event!(warn, site, key, %error, "a value does not fit into the store and is not stored");
}

/// A function failed, and an old value is served in its place.
pub(crate) fn served_stale(site: &Site, key: &str) {
    event!(warn, site, key, "the function failed, an old value is served");
}

/// A function panicked, and its panic is not its caller's.
pub(crate) fn panicked(site: &Site, key: &str) {
    event!(error, site, key, "the function panicked");
}

/// A function did not end in time, and an old value is served in its place.
pub(crate) fn served_late(site: &Site, key: &str, limit: Duration) {
    event!(warn, site, key, ?limit, "the function takes too long, an old value is served");
}

/// A function did not end in time, and its caller gets an error.
pub(crate) fn gave_up_late(site: &Site, key: &str, limit: Duration) {
    event!(warn, site, key, ?limit, "the function takes too long, the caller gets an error");
}

/// A value is to be refreshed, and the bound on refreshes is reached.
pub(crate) fn refresh_put_off(site: &Site, key: &str) {
    event!(warn, site, key, "no refresh is started, since as many as may run at once are running");
}

/// A TTL of zero came out of an expression.
pub(crate) fn zero_ttl(site: &Site, key: &str) {
    event!(warn, site, key, "the TTL is zero, so the value is not stored");
}

/// A fill was overtaken: its lease was gone when it came to commit.
pub(crate) fn commit_lost(site: &Site, key: &str) {
    event!(debug, site, key, "the lease was gone (invalidated, expired or displaced), so the value is not stored");
}

/// A running function lost its lease.
pub(crate) fn lease_lost(site: &Site, key: &str) {
    event!(debug, site, key, "the lease is gone while the function runs");
}

/// A running function has used up its renewals.
pub(crate) fn lease_given_up(site: &Site, key: &str) {
    event!(warn, site, key, "the function runs for so long that its lease is not renewed any more");
}

/// A caller waited for somebody else's load up to its limit.
pub(crate) fn waited_too_long(site: &Site, key: &str, limit: Duration) {
    event!(warn, site, key, ?limit, "waited for another caller's load up to the limit, running the function");
}

/// The leader of a flight is not polled any more.
pub(crate) fn leader_overdue(site: &Site, key: &str) {
    event!(debug, site, key, "the caller that was to load this value makes no progress: its future is not polled");
}

/// A call gets its error: its turn did not come while the store is down.
pub(crate) fn shed(site: &Site, key: &str) {
    event!(warn, site, key, "the store is down and many functions run: shed");
}

/// A call began anew too often, because what it joined came to nothing.
pub(crate) fn gave_up(site: &Site, key: &str) {
    event!(warn, site, key, "no run of another caller came to anything, running the function");
}

/// A call waits for the process that holds the lease.
pub(crate) fn waits(site: &Site, key: &str) {
    event!(debug, site, key, "another process loads this key, waiting for its value");
}

/// A new connection brings no pushes. The server's own words are left out: they can repeat the password.
pub(crate) fn no_pushes(why: &'static str) {
    tracing::debug!(target: TARGET, why, "Redis does not push changes here: callers that wait for another process poll");
}

/// A call outside of any tokio runtime.
pub(crate) fn no_runtime(site: &Site, key: &str) {
    event!(warn, site, key, "called outside of a tokio runtime, so the cache is not used");
}

/// A tokio runtime lacks what the cache needs.
pub(crate) fn runtime_lacks(lack: Lack) {
    match lack {
        Lack::Timers => tracing::error!(
            target: TARGET,
            "a tokio runtime has no timers, so cached functions run without the cache in it: build it with `enable_all()`"
        ),
        Lack::Io => tracing::error!(
            target: TARGET,
            "a tokio runtime has no I/O, so the cache cannot connect to Redis in it: build it with `enable_all()`"
        ),
    }
}

/// A call in a tokio runtime that lacks what the cache needs. The runtime itself was an event.
pub(crate) fn runtime_of_no_use(site: &Site, key: &str, error: &Error) {
    event!(debug, site, key, %error, "the cache is not used in this runtime");
}

/// A server does not tell its time.
pub(crate) fn no_server_time() {
    tracing::debug!(target: TARGET, "the server does not tell its time: freshness goes by this machine's clock");
}

/// A store is given up.
pub(crate) fn store_down(server: &str, why: &str) {
    tracing::error!(target: TARGET, server, why, "the store is down: functions run without it, and a task probes it");
}

/// A store answers again.
pub(crate) fn store_recovering(server: &str) {
    tracing::info!(target: TARGET, server, "the store answers again, and gets a growing share of the calls");
}

/// A store has all its calls again.
pub(crate) fn store_up(server: &str) {
    tracing::info!(target: TARGET, server, "the store is up");
}

/// A store answers, and refuses to write.
pub(crate) fn store_refuses_writes(server: &str, step: &'static str, why: &str) {
    tracing::warn!(
        target: TARGET,
        server,
        step,
        why,
        "the store answers and refuses writes: while it refuses leases, values are not stored, and each process runs one \
         function of a key at a time"
    );
}

/// A store writes again.
pub(crate) fn store_writes(server: &str) {
    tracing::info!(target: TARGET, server, "the store writes again");
}

/// A server that was down is none of the cluster any more.
pub(crate) fn server_left(server: &str) {
    tracing::info!(target: TARGET, server, "a node that was down has left the cluster: others have its keys");
}

/// The map of a cluster cannot be read.
pub(crate) fn no_cluster_map(error: &Error) {
    tracing::warn!(target: TARGET, %error, "no node of the cluster says which has which keys");
}

/// A node of a cluster says that another one has a key.
pub(crate) fn key_moved(slot: u16, from: &impl Display, to: &impl Display) {
    tracing::debug!(target: TARGET, slot, %from, %to, "a hash slot has moved");
}

/// A call goes without a store that is known to be down.
pub(crate) fn shut_out(site: &Site, key: &str) {
    event!(debug, site, key, "the store is down, the call goes on without it");
}

/// A function waits for its turn while the store is down.
pub(crate) fn queues(site: &Site, key: &str) {
    event!(debug, site, key, "the store is down and many functions run: waiting for a turn");
}

/// A pending invalidation got through.
pub(crate) fn pending_settled(key: &str) {
    tracing::info!(target: TARGET, key, "an invalidation that had failed got through");
}

/// An invalidation failed, and its key cannot be kept: the keys of pending invalidations take up `bytes` already.
pub(crate) fn pending_past_bound(bytes: usize) {
    tracing::error!(
        target: TARGET, bytes,
        "more invalidations failed than the cache keeps keys of: nothing that was loaded before is used, and all entries \
         under the prefix will be removed"
    );
}

/// A sweep covered this many pending invalidations.
pub(crate) fn swept(count: u64) {
    tracing::info!(target: TARGET, count, "all entries under the prefix were removed, for invalidations that had failed");
}

/// A step of a sweep failed; it is repeated.
pub(crate) fn sweep_failed(error: &Error) {
    let kind = error.kind().as_str();
    tracing::warn!(target: TARGET, kind, %error, "a step of the removal of all entries failed and will be repeated");
}

/// A sweep is needed, and the store does not support it.
pub(crate) fn cannot_sweep() {
    tracing::error!(
        target: TARGET,
        "the store cannot list its keys, so invalidations that failed are not repeated: other processes may serve old \
         values until they expire"
    );
}

/// A cache shuts down, and invalidations are still pending.
pub(crate) fn pending_at_shutdown(count: usize, why: &str) {
    tracing::error!(
        target: TARGET, count, why,
        "pending invalidations were not sent before the shutdown: old values may be served until they expire"
    );
}

/// A value was put.
pub(crate) fn put(site: &Site, key: &str) {
    event!(debug, site, key, "put");
}

/// A put was confirmed, and its value is not stored.
pub(crate) fn put_overtaken(site: &Site, key: &str, why: &'static str) {
    event!(debug, site, key, why, "put, and the value is not stored");
}

/// A put failed; the caller has the error too.
pub(crate) fn not_put(site: &Site, key: &str, error: &Error) {
    let kind = error.kind().as_str();
    event!(warn, site, key, kind, %error, "a put failed: the key is invalidated as soon as the store answers");
}

/// A key was invalidated.
pub(crate) fn invalidated(site: &Site, key: &str) {
    event!(debug, site, key, "invalidated");
}

/// An invalidation failed; the caller has the error too.
pub(crate) fn not_invalidated(site: &Site, key: &str, error: &Error) {
    let kind = error.kind().as_str();
    event!(error, site, key, kind, %error, "an invalidation failed: the old value may be served until it expires");
}

/// The default cache could not be made as the environment says.
pub(crate) fn default_cache_failed(error: &Error) {
    tracing::error!(target: TARGET, %error, "REDIS_URL cannot be used, caching in this process only");
}

/// A function is first called on a cache in place of the configured one, which could not be built.
pub(crate) fn cached_elsewhere(site: &Site, why: &str) {
    let (function, module) = (site.function, site.module);
    tracing::error!(target: TARGET, function, module, why, "the function is not cached where it was meant to be");
}

/// A function on a cache without a prefix uses keys of a cache with one.
pub(crate) fn prefix_is_taken(site: &Site, prefix: &str) {
    let (function, module, template) = (site.function, site.module, site.template);
    tracing::error!(
        target: TARGET, function, module, template, prefix,
        "a key template begins with the prefix of another cache, and its own cache has none: their keys may be the same"
    );
}

/// The default store was chosen.
pub(crate) fn default_cache(store: &'static str) {
    tracing::info!(target: TARGET, store, "no store is configured, using the default");
}

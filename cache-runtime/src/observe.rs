//! The only place that emits events: every outcome, and every error that is not handed to the caller.
//!
//! All have the target `cache_runtime` and name the function and the key; values are never shown. What an operator
//! should know is a warning, what happens all the time is `DEBUG` or `TRACE`.

use std::fmt::Display;
use std::time::Duration;

use crate::error::Error;
use crate::report::Outcome;
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

/// An entry is there and cannot be used; it is overwritten.
pub(crate) fn unusable(site: &Site, key: &str, why: &str) {
    event!(warn, site, key, why, "an entry cannot be used and counts as a miss");
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

/// An invalidation that had failed got through.
pub(crate) fn owed_invalidated(key: &str) {
    tracing::info!(target: TARGET, key, "an invalidation that had failed got through");
}

/// So many invalidations failed that not all can be remembered.
pub(crate) fn distrusts(most: usize) {
    tracing::error!(target: TARGET, most, "more invalidations failed than are remembered: nothing stored before is used");
}

/// A cache shuts down, and invalidations are still owed.
pub(crate) fn owes_at_shutdown(count: usize, why: &str) {
    tracing::error!(target: TARGET, count, why, "invalidations that failed were not repeated: old values may be served until they expire");
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

/// The default store was chosen.
pub(crate) fn default_cache(store: &'static str) {
    tracing::info!(target: TARGET, store, "no store is configured, using the default");
}

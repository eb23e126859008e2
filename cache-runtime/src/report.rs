//! What became of cached calls, and how HTTP says it: RFC 9211, `Cache-Status`.

use std::fmt;
use std::time::Duration;

/// What became of one cached call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The value was in the cache.
    Hit,
    /// A value past its freshness was served.
    Stale,
    /// The function ran, and its value was offered to the cache.
    Miss,
    /// Another call of this process ran the function, and this one took its value.
    Coalesced,
    /// Another process ran the function, and this one waited for its value.
    Waited,
    /// Another process ran the function and failed or was gone: this call waited for it, took over and ran it.
    Stolen,
    /// The function ran because a `refresh` scope said so.
    Refreshed,
    /// The function ran in the background, to replace a value that was served meanwhile.
    Revalidated,
    /// The function ran without the cache: a `bypass` scope, a disabled cache, a function that reached its own key, or a
    /// key that holds a string that this library did not write.
    Bypassed,
    /// The function ran because the cache failed.
    Degraded,
    /// The function took longer than its `timeout`, and the caller got an error. The function runs on.
    TimedOut,
    /// The cache failed, and the call with it, as its function has it: `fail_open = false`, `shed = true`.
    Refused,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
            Self::Waited => "waited",
            Self::Stolen => "stolen",
            Self::Refreshed => "refreshed",
            Self::Revalidated => "revalidated",
            Self::Bypassed => "bypassed",
            Self::Degraded => "degraded",
            Self::TimedOut => "timed out",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of one call of a cached function.
#[derive(Clone, Debug)]
pub struct CallReport {
    pub(crate) function: &'static str,
    pub(crate) key: String,
    pub(crate) outcome: Outcome,
    pub(crate) fresh_for: Option<Duration>,
    pub(crate) stale_for: Option<Duration>,
    pub(crate) age: Option<Duration>,
    pub(crate) stored: bool,
}

impl CallReport {
    /// The name of the function.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.function
    }

    /// The key, with the cache's prefix.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What became of the call.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// How long the value that was served stays fresh, by this machine's clock; `None` for one that did not come from
    /// the cache.
    #[must_use]
    pub fn fresh_for(&self) -> Option<Duration> {
        self.fresh_for
    }

    /// For how long the value that was served has not been fresh, by this machine's clock: zero for a fresh one; `None` for
    /// one that did not come from the cache.
    #[must_use]
    pub fn stale_for(&self) -> Option<Duration> {
        self.stale_for
    }

    /// How long ago the value that was served was stored, by this machine's clock; `None` for one that did not come from
    /// the cache.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Whether this call stored its value.
    #[must_use]
    pub fn stored(&self) -> bool {
        self.stored
    }
}

/// What became of the cached calls in a [`report`](crate::report()) scope.
#[derive(Clone, Debug)]
pub struct Report {
    calls: Vec<CallReport>,
}

impl Report {
    pub(crate) fn new(calls: Vec<CallReport>) -> Self {
        Self { calls }
    }

    /// The calls, in the order in which they ended.
    #[must_use]
    pub fn calls(&self) -> &[CallReport] {
        &self.calls
    }

    /// The calls as a `Cache-Status` header value (RFC 9211), one member a call, in their order; empty without calls.
    ///
    /// ```text
    /// redis_cached; hit; ttl=540; key="user:7:v1", redis_cached; fwd=miss; stored; key="team:3:v1"
    /// ```
    ///
    /// Keys can hold what a client should not see: leave them out with [`CacheStatus::without_keys`].
    #[must_use]
    pub fn cache_status(&self) -> CacheStatus<'_> {
        CacheStatus { calls: &self.calls, keys: true }
    }
}

/// A `Cache-Status` header value, formatted when it is printed.
#[derive(Clone, Copy, Debug)]
pub struct CacheStatus<'r> {
    calls: &'r [CallReport],
    keys: bool,
}

impl CacheStatus<'_> {
    /// The same value without the `key` parameters.
    #[must_use]
    pub fn without_keys(self) -> Self {
        Self { keys: false, ..self }
    }
}

impl fmt::Display for CacheStatus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, call) in self.calls.iter().enumerate() {
            f.write_str(if index == 0 { "redis_cached" } else { ", redis_cached" })?;
            f.write_str(match call.outcome {
                Outcome::Hit | Outcome::Stale => "; hit",
                Outcome::Miss | Outcome::Stolen => "; fwd=miss",
                Outcome::Coalesced | Outcome::Waited => "; fwd=miss; collapsed",
                Outcome::Refreshed | Outcome::Revalidated => "; fwd=request",
                Outcome::Bypassed => "; fwd=bypass",
                Outcome::Degraded => "; fwd=miss; detail=degraded",
                Outcome::TimedOut => "; fwd=miss; detail=timeout",
                // Forwarded nowhere.
                Outcome::Refused => "; detail=refused",
            })?;
            match (call.outcome, call.fresh_for, call.stale_for) {
                (Outcome::Hit, Some(fresh_for), _) => write!(f, "; ttl={}", fresh_for.as_secs())?,
                // Whole seconds, and below zero: that is how RFC 9211 tells a stale response.
                (Outcome::Stale, _, Some(stale_for)) => write!(f, "; ttl=-{}", stale_for.as_secs().max(1))?,
                _ => {}
            }
            if call.stored {
                f.write_str("; stored")?;
            }
            if self.keys {
                write!(f, "; key={}", SfString(&call.key))?;
            }
        }
        Ok(())
    }
}

/// A string as structured fields write it (RFC 9651, section 3.3.3). It holds printable ASCII only: other characters,
/// which a template may contain, become `?`.
struct SfString<'s>(&'s str);

impl fmt::Display for SfString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => write!(f, "{character}")?,
                _ => f.write_str("?")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(key: &str, outcome: Outcome, fresh_for: Option<u64>, stored: bool) -> CallReport {
        let fresh_for = fresh_for.map(Duration::from_secs);
        CallReport {
            function: "f",
            key: key.into(),
            outcome,
            fresh_for,
            stale_for: Some(Duration::from_secs(3)),
            age: None,
            stored,
        }
    }

    #[test]
    fn calls_read_as_rfc_9211_has_them() {
        let report = Report::new(vec![
            call("user:7:v1", Outcome::Hit, Some(540), false),
            call("say \"hi\" ä", Outcome::Miss, None, true),
            call("k", Outcome::Coalesced, Some(9), false),
            call("s", Outcome::Stale, Some(0), false),
            call("r", Outcome::Refused, None, false),
        ]);
        assert_eq!(
            report.cache_status().to_string(),
            "redis_cached; hit; ttl=540; key=\"user:7:v1\", \
             redis_cached; fwd=miss; stored; key=\"say \\\"hi\\\" ?\", \
             redis_cached; fwd=miss; collapsed; key=\"k\", \
             redis_cached; hit; ttl=-3; key=\"s\", \
             redis_cached; detail=refused; key=\"r\""
        );
        assert_eq!(report.cache_status().without_keys().to_string().matches("key").count(), 0);
        assert_eq!(Report::new(Vec::new()).cache_status().to_string(), "");
    }
}

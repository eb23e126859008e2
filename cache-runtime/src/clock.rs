//! The only place that reads the time: monotonic time for waits and in-process expiry, wall time for what other
//! processes read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Monotonic time. Tokio's, so that tests under `tokio::time::pause` control it.
pub(crate) type Instant = tokio::time::Instant;

/// Now, on the monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A wall-clock time in ticks of 10 ms since the Unix epoch: five bytes of it last until the year 2318.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(u64);

impl Timestamp {
    /// Now, on this machine's wall clock.
    pub(crate) fn now() -> Self {
        Self(ticks(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    pub(crate) const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    pub(crate) const fn ticks(self) -> u64 {
        self.0
    }

    /// This much later.
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ticks(duration)))
    }

    /// The time from `earlier` to this one, zero when it is not earlier.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        from_ticks(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds in a tick.
const TICK_MS: u64 = 10;

/// A duration in ticks, rounded up: a lifetime never becomes zero by being written down.
pub(crate) fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(u128::from(TICK_MS))).unwrap_or(u64::MAX)
}

/// The duration of so many ticks.
pub(crate) fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(TICK_MS))
}

//! The only place that reads the time: monotonic time for waits and in-process expiry, wall time for what other
//! processes read.
//!
//! # Whose clock?
//!
//! The times in an entry are those of the store. Every connection to Redis asks the server for its time once, and
//! reads this machine's wall clock with that difference: two machines whose clocks are hours apart agree on when a value
//! is fresh. What is left is how far a clock is moved *while* a connection lives, a correction by NTP: values are then
//! fresh for so much longer or shorter, up to the expiry of their key, which the server alone decides. An in-process
//! store has the monotonic clock, which nobody moves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use once_cell::sync::Lazy;

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
        Self(ticks(wall()))
    }

    /// Now, on the monotonic clock: the wall clock of when it was first asked, and the time since.
    pub(crate) fn monotonic() -> Self {
        static START: Lazy<(Instant, Duration)> = Lazy::new(|| (now(), wall()));
        let (start, wall) = *START;
        Self(ticks(wall + now().saturating_duration_since(start)))
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

    /// This much earlier.
    pub(crate) fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(ticks(duration)))
    }

    /// The time from `earlier` to this one, zero when it is not earlier.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        from_ticks(self.0.saturating_sub(earlier.0))
    }
}

/// The wall clock of this machine, as time since the Unix epoch.
fn wall() -> Duration {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    #[cfg(feature = "test-util")]
    let wall = wall.saturating_add(Duration::from_millis(test_util::AHEAD_MS.load(Ordering::Relaxed)));
    wall
}

/// The last second that a server is believed to be in: that before the year 2200. The times in entries end in 2318, and
/// a value may live for a year from now.
const LATEST: u64 = 7_258_118_399;

/// Reads a server's answer to `TIME`: seconds since the Unix epoch, and microseconds. `None` for a time that no clock
/// shows; whoever sends it does not tell its time.
pub(crate) fn server_time(seconds: u64, micros: u32) -> Option<Duration> {
    let nanos = micros.checked_mul(1_000).filter(|_| micros < 1_000_000)?;
    (seconds <= LATEST).then(|| Duration::new(seconds, nanos))
}

/// How far the clock of a server is from this machine's.
#[derive(Debug)]
pub(crate) struct ServerClock {
    /// [`UNKNOWN`] before the server has said anything.
    ahead_ms: AtomicI64,
}

const UNKNOWN: i64 = i64::MIN;

impl Default for ServerClock {
    fn default() -> Self {
        Self { ahead_ms: AtomicI64::new(UNKNOWN) }
    }
}

impl ServerClock {
    /// Whether the server has said what time it is.
    pub(crate) fn is_known(&self) -> bool {
        self.ahead_ms.load(Ordering::Relaxed) != UNKNOWN
    }

    /// The server said that it is `time` since the Unix epoch, just now.
    pub(crate) fn said(&self, time: Duration) {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.ahead_ms.store(ms(time).saturating_sub(ms(wall())), Ordering::Relaxed);
    }

    /// Now, on the server's clock; on this machine's while that is not known.
    pub(crate) fn now(&self) -> Timestamp {
        let ahead = match self.ahead_ms.load(Ordering::Relaxed) {
            UNKNOWN => 0,
            ahead => ahead,
        };
        let apart = Duration::from_millis(ahead.unsigned_abs());
        Timestamp(ticks(if ahead < 0 { wall().saturating_sub(apart) } else { wall().saturating_add(apart) }))
    }
}

#[cfg(feature = "test-util")]
pub(crate) mod test_util {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    pub(super) static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

    /// Sets the wall clock that this process's caches read ahead, as that of a machine with a wrong clock is.
    pub fn set_wall_clock_ahead(ahead: Duration) {
        AHEAD_MS.store(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_server_is_read_off_this_machines_clock() {
        let clock = ServerClock::default();
        for (said, ahead) in [(Duration::ZERO, Duration::ZERO), (wall() * 2, wall() * 2), (wall() / 2, wall() / 2)] {
            clock.said(said);
            let off = clock.now().since(Timestamp(ticks(ahead)));
            assert!(off < Duration::from_secs(1), "{off:?} from what the server said");
        }
    }

    #[test]
    fn a_time_that_no_clock_shows_is_not_a_servers_time() {
        let shown = |seconds, micros| server_time(seconds, micros).map(|time| (time.as_secs(), time.subsec_micros()));
        for time in [(0, 0), (1_790_000_000, 999_999), (LATEST, 0)] {
            assert_eq!(shown(time.0, time.1), Some(time));
        }
        for (seconds, micros) in [(u64::MAX, 0), (LATEST + 1, 0), (1, 1_000_000), (1, 4_294_968), (1, u32::MAX)] {
            assert_eq!(shown(seconds, micros), None);
        }
    }

    #[test]
    fn a_clock_that_is_as_far_off_as_can_be_said_overflows_nothing() {
        let clock = ServerClock::default();
        clock.said(Duration::MAX);
        assert!(clock.now() > Timestamp::now());
    }
}

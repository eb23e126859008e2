//! How long a value is served past its freshness, and when it is loaded anew: RFC 5861's two windows, and the early
//! refresh of Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention" (VLDB 2015).

use std::time::Duration;

use super::lease;
use crate::clock::{self, Timestamp};
use crate::entry::{Flags, Header};

/// How long the origin is left alone after a load that failed while an old value could be served: long enough that a
/// failing origin gets a handful of requests a minute and key from the whole fleet, short enough that its recovery is
/// soon seen. It is not spread: one refresh in the fleet comes next in any case.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The windows of a function; zero is off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Freshness {
    /// How long past its freshness a value is served while it is loaded anew.
    pub(crate) stale_while_revalidate: Duration,
    /// How long past its freshness a value is served when the load fails.
    pub(crate) stale_if_error: Duration,
    /// How eagerly a value is loaded before its freshness ends.
    pub(crate) early_refresh: f64,
}

/// What a stored value is worth to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It is served.
    Serve(Refresh),
    /// It is served if the load fails.
    Fallback,
    /// It is of no use.
    Expired,
}

/// Whether who is served also has the value loaded anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// The value is good, or somebody loads it, or the origin is left alone.
    No,
    /// In the background.
    Background,
}

impl Freshness {
    /// How long a key outlives the freshness of its value.
    pub(crate) fn outlives(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }

    /// What a fresh value is worth to a reader whose leases are this long. `unit` is uniform in `0.0..1.0`.
    pub(crate) fn of_fresh(
        &self,
        header: &Header,
        lease: Duration,
        now: impl Fn() -> Timestamp,
        unit: impl Fn() -> f64,
    ) -> Worth {
        let early = self.early_refresh > 0.0 && !lease::is_on(header, now(), lease) && {
            // The paper's -log(rand()) of a number in (0, 1].
            let ahead = clock::from_ticks(header.load_cost.into()).mul_f64(self.early_refresh * -(1.0 - unit()).ln());
            now().after(ahead) >= header.fresh_until
        };
        Worth::Serve(if early { Refresh::Background } else { Refresh::No })
    }

    /// What a value past its freshness is worth to a reader whose leases are this long.
    pub(crate) fn of_stale(&self, header: &Header, lease: Duration, now: Timestamp) -> Worth {
        let age = now.since(header.fresh_until);
        let leased = lease::is_on(header, now, lease);
        if age < self.stale_while_revalidate {
            return Worth::Serve(if leased { Refresh::No } else { Refresh::Background });
        }
        match age < self.stale_if_error {
            true if leased && header.flags.has(Flags::HELD_OFF) => Worth::Serve(Refresh::No),
            true => Worth::Fallback,
            false => Worth::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Token;
    use crate::policy::DEFAULT_LEASE;

    const NOW: u64 = 1_000_000;

    fn header(fresh_until: u64, flags: Flags) -> Header {
        Header {
            flags,
            token: Token([1; 8]),
            lease_until: Timestamp::from_ticks(NOW + 10),
            fresh_until: Timestamp::from_ticks(fresh_until),
            lifetime: 1000,
            load_cost: 20,
            ..Header::default()
        }
    }

    fn windows(revalidate: u64, error: u64) -> Freshness {
        let (stale_while_revalidate, stale_if_error) = (Duration::from_secs(revalidate), Duration::from_secs(error));
        Freshness { stale_while_revalidate, stale_if_error, early_refresh: 0.0 }
    }

    fn stale(freshness: Freshness, seconds: u64, flags: Flags) -> Worth {
        freshness.of_stale(&header(NOW - seconds * 100, flags), DEFAULT_LEASE, Timestamp::from_ticks(NOW))
    }

    #[test]
    fn a_stale_value_is_served_and_refreshed_once_then_kept_for_errors_then_of_no_use() {
        let both = windows(10, 20);
        let (none, leased) = (Flags::default(), Flags::LEASED);
        assert_eq!(stale(both, 9, none), Worth::Serve(Refresh::Background));
        assert_eq!(stale(both, 9, leased), Worth::Serve(Refresh::No));
        assert_eq!(stale(both, 10, none), Worth::Fallback);
        assert_eq!(stale(both, 10, leased), Worth::Fallback, "who comes now joins the load");
        assert_eq!(
            stale(both, 19, leased.with(Flags::HELD_OFF)),
            Worth::Serve(Refresh::No),
            "the origin is left alone"
        );
        assert_eq!(stale(both, 20, leased.with(Flags::HELD_OFF)), Worth::Expired);
        assert_eq!(stale(windows(0, 0), 0, none), Worth::Expired);
        assert_eq!(both.outlives(), Duration::from_secs(20));
    }

    #[test]
    fn an_early_refresh_comes_the_likelier_the_nearer_the_end_and_the_dearer_the_load() {
        let eager = Freshness { early_refresh: 1.0, ..Freshness::default() };
        let worth = |freshness: Freshness, left: u64, unit: f64, flags: Flags| {
            freshness.of_fresh(&header(NOW + left, flags), DEFAULT_LEASE, || Timestamp::from_ticks(NOW), || unit)
        };
        let early = Worth::Serve(Refresh::Background);
        // The load took 20 ticks: -ln(1 - 0.5) * 20 is 13.9.
        assert_eq!(worth(eager, 13, 0.5, Flags::default()), early);
        assert_eq!(worth(eager, 15, 0.5, Flags::default()), Worth::Serve(Refresh::No));
        assert_eq!(worth(eager, 13, 0.5, Flags::LEASED), Worth::Serve(Refresh::No), "somebody is at it");
        assert_eq!(worth(Freshness { early_refresh: 2.0, ..eager }, 27, 0.5, Flags::default()), early);
        assert_eq!(worth(Freshness::default(), 1, 0.999, Flags::default()), Worth::Serve(Refresh::No), "it is off");
    }
}

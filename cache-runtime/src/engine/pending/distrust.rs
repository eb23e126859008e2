//! Which entries a process may use after invalidations failed whose keys it could not keep: those that were loaded after
//! the last of these failures.
//!
//! Three things tell that an entry was, from the surest to the most general:
//!
//! - **Runs of this process that callers share** need no proof. An invalidation that fails ends the runs of its key all the
//!   same, so nobody who comes later joins one from before. The same holds for the values that are kept in this process
//!   during an outage. So neither is asked about here.
//! - **What this process has stored** since is known by its token, whatever clocks say.
//! - **What others have stored** is known by its times. The header says when the entry was stored and how long its load
//!   took, so the load began at the difference. That is the time of the server that has the key, and each node of a
//!   cluster has a clock of its own. So ages are compared, and no times of day: the load must be younger than the failure,
//!   by more than the clocks may be wrong. A load cost that is saturated says nothing, and such an entry is not used.
//!
//! The distrust ends for calls that begin after a sweep. A call from before may have been answered by the server before
//! the sweep came to its key, and distrusts on.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use crate::clock::{self, Instant, Timestamp};
use crate::engine::flight::Moment;
use crate::entry::{Header, Token};

/// How many runs of this process are known by their tokens. They matter only while clocks cannot tell, at most a minute
/// after the last failure: past this number an entry is loaded once more.
const MOST_OWN: usize = 16_384;

/// What is distrusted.
#[derive(Debug)]
pub(super) struct Distrust {
    /// Calls that begin at this moment or later use everything: 0 at first, and no moment while the distrust lasts.
    trusted_from: AtomicU64,
    since: RwLock<Option<Since>>,
}

/// The last failure.
#[derive(Debug)]
struct Since {
    moment: Moment,
    at: Instant,
    /// What runs of this process have stored that began since.
    own: HashSet<Token>,
}

impl Default for Distrust {
    fn default() -> Self {
        Self { trusted_from: AtomicU64::new(0), since: RwLock::default() }
    }
}

impl Distrust {
    /// An invalidation failed, of a key that is not known any more.
    pub(super) fn begins(&self, moment: Moment) {
        let mut since = self.write();
        // Two failures at once may come here in either order.
        let moment = since.as_ref().map_or(moment, |since| since.moment.max(moment));
        *since = Some(Since { moment, at: clock::now(), own: HashSet::new() });
        self.trusted_from.store(u64::MAX, Ordering::Release);
    }

    /// Calls that begin at this moment or later find nothing any more that was loaded before the last failure.
    pub(super) fn ends(&self, moment: Moment) {
        self.trusted_from.store(moment.number(), Ordering::Release);
        if let Some(since) = &mut *self.write() {
            since.own = HashSet::new();
        }
    }

    /// Whether a call that began at this moment may use everything.
    pub(super) fn is_over(&self, at: Moment) -> bool {
        at.number() >= self.trusted_from.load(Ordering::Acquire)
    }

    /// A run of this process that began at this moment has stored its value under this token.
    pub(super) fn loaded(&self, token: Token, began: Moment) {
        if self.is_over(began) {
            return;
        }
        if let Some(since) = &mut *self.write()
            && began > since.moment
            && since.own.len() < MOST_OWN
        {
            since.own.insert(token);
        }
    }

    /// Whether an entry was loaded after the last failure: `now` by the clock of its server, which may be wrong by `error`.
    pub(super) fn trusts(&self, header: &Header, now: Timestamp, error: Duration) -> bool {
        let since = self.since.read().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = &*since else { return true };
        let ago = clock::now().saturating_duration_since(since.at);
        let by_time = header.load_cost < u16::MAX && {
            let age = now.since(header.stored()) + clock::from_ticks(header.load_cost.into());
            age + error < ago
        };
        by_time || since.own.contains(&header.token)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Since>> {
        self.since.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::flight::SingleFlight;
    use crate::entry::Schema;

    const ERROR: Duration = Duration::from_secs(2);
    const TTL: Duration = Duration::from_secs(600);

    /// What was stored at that time, after a load that took so long.
    fn stored(at: Timestamp, load: Duration) -> Header {
        Header::value(Schema::default(), Token::random(), at, TTL).costing(load)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A node of a cluster may have a clock that is hours away from those of the others, and of this machine.
    #[tokio::test(start_paused = true)]
    async fn a_load_is_trusted_by_its_beginning_on_the_clock_of_its_server() {
        let (distrust, flights) = (Distrust::default(), SingleFlight::new(Duration::from_millis(250)));
        distrust.begins(flights.next());
        tokio::time::sleep(seconds(60)).await;
        for failed in [Timestamp::default(), Timestamp::now().after(seconds(7_200))] {
            let failed = failed.after(seconds(10_000));
            let now = failed.after(seconds(60));
            let trusts = |after, load| distrust.trusts(&stored(failed.after(seconds(after)), load), now, ERROR);
            assert!(!trusts(0, Duration::ZERO), "it was stored when the invalidation failed");
            assert!(!trusts(1, Duration::ZERO), "the clocks may be wrong by that much");
            assert!(trusts(3, Duration::ZERO) && trusts(60, Duration::ZERO));
            assert!(!trusts(40, seconds(40)) && trusts(40, seconds(30)), "what counts is when the load began");
            assert!(!trusts(60, seconds(656)), "a load that took so long may have begun at any time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_this_process_has_loaded_since_the_last_failure_is_trusted_at_once() {
        let (distrust, flights) = (Distrust::default(), SingleFlight::new(Duration::from_millis(250)));
        let header = || stored(Timestamp::now(), seconds(656));
        let trusts = |header: &Header| distrust.trusts(header, Timestamp::now(), ERROR);
        let before = flights.next();
        distrust.begins(flights.next());
        let (old, new, others) = (header(), header(), header());
        distrust.loaded(old.token, before);
        distrust.loaded(new.token, flights.next());
        assert_eq!([trusts(&old), trusts(&new), trusts(&others)], [false, true, false]);
        distrust.begins(flights.next());
        assert!(!trusts(&new), "another invalidation has failed since");
    }

    #[test]
    fn the_runs_that_are_known_by_their_tokens_are_bounded() {
        let (distrust, flights) = (Distrust::default(), SingleFlight::new(Duration::from_millis(250)));
        distrust.begins(flights.next());
        for _ in 0..2 * MOST_OWN {
            distrust.loaded(Token::random(), flights.next());
        }
        assert_eq!(distrust.write().as_ref().expect("it lasts").own.len(), MOST_OWN);
    }
}

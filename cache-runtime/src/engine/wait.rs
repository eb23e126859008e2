//! Waiting for another process, up to a limit: for a push, with a timer beside it, or by polling with growing back-off
//! where the store does not push.
//!
//! # What a push is worth
//!
//! A push says that something happened to the key: a commit, a release, an invalidation, a renewal. It can be lost: with
//! its connection, in a proxy, or because a server expires keys when it gets to it. So it is a hint, never an answer:
//! who is woken looks, and who is not woken looks as well, once a second and when the lease should be over. A wait for a
//! short load costs the look that registers and the look after the push.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep_until, timeout_at};

use super::Engine;
use super::call::Call;
use super::flight::{Lead, Moment};
use super::sight::{Found, Seen};
use crate::clock::{self, Instant, Timestamp};
use crate::entry::Header;
use crate::error::Error;
use crate::policy::lease::TOLERANCE;
use crate::report::Outcome;
use crate::store::{Budget, Store, Watch};
use crate::{observe, random};

/// The first pause between two looks of one who polls: a fast load is over by then.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The longest such pause: a waiter learns of a slow load this late at the most, and costs ten commands a second.
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// How long a waiter counts on a push: when it is lost, the waiter is this late. Raising it saves two commands for each
/// such time of a wait.
const PUSH_PAUSE: Duration = Duration::from_secs(1);

/// How long after the end of a lease a waiter looks, if not woken: the key outlives what its header says by the way of
/// the lease to the server, and by clocks that differ. Up to as much again is added at random.
const LEASE_GRACE: Duration = Duration::from_millis(25);

/// What became of a wait.
pub(super) enum Followed {
    /// A value is there; asked for since that moment.
    Found(Found, Moment),
    /// The lease is gone without a value, since its holder failed or the key was invalidated, or it should be gone.
    Gone,
    /// The lease is gone, and a writer is changing what the value is loaded from.
    Written,
    /// The limit is reached.
    Limit,
    /// The time is reached at which the caller wants an answer.
    Late,
    /// The store failed.
    Failed(Error),
}

impl Call {
    /// Waits for the value of whoever holds the lease; a lease that changes hands is followed on.
    pub(super) async fn follow(&mut self, lead: &Lead) -> Followed {
        let limit = self.limit();
        let until = self.answer_by().map_or(limit, |by| by.min(limit));
        observe::waits(self.request.site, &self.request.key);
        for attempt in 0_u32.. {
            let (began, since) = (clock::now(), self.cache.engine().flights.next());
            let again = began + pause(attempt, random::unit());
            lead.progresses(PUSH_PAUSE);
            match self.watch().await {
                Ok(Some((entry, watch))) => {
                    let timer = clock::now() + push_pause(entry.as_deref(), self.now(), random::unit());
                    if let Some(end) = self.end(entry, since) {
                        return end;
                    }
                    let wake = self.budget.pause(woken(watch, timer.min(until))).await;
                    if wake == Wake::Timer && clock::now() < until {
                        // The look that registers again is look enough.
                        continue;
                    }
                }
                Ok(None) => self.budget.pause(sleep_until(again.min(until))).await,
                Err(error) => return Followed::Failed(error),
            }
            lead.progresses(PUSH_PAUSE);
            let since = self.cache.engine().flights.next();
            let end = match self.look_again().await {
                Ok(entry) => self.end(entry, since),
                Err(error) => Some(Followed::Failed(error)),
            };
            if let Some(end) = end {
                return end;
            }
            if clock::now() >= until {
                break;
            }
            // However often it is pushed, it comes back no sooner than one who polls.
            self.budget.pause(sleep_until(again.min(until))).await;
        }
        if until < limit {
            return Followed::Late;
        }
        observe::waited_too_long(self.request.site, &self.request.key, self.request.lock.wait);
        Followed::Limit
    }

    async fn watch(&mut self) -> Result<Option<(Option<Bytes>, Watch)>, Error> {
        let Call { cache, budget, request, .. } = self;
        let engine = cache.engine();
        refunded(engine, budget, ("watch", &request.key), pin!(engine.backend.watch(&request.key))).await
    }

    async fn look_again(&mut self) -> Result<Option<Bytes>, Error> {
        let Call { cache, budget, request, .. } = self;
        let engine = cache.engine();
        refunded(engine, budget, ("get", &request.key), pin!(engine.backend.get(&request.key))).await
    }

    /// What a look comes to; `None` while somebody still loads.
    fn end(&mut self, entry: Option<Bytes>, since: Moment) -> Option<Followed> {
        match self.sight(entry, Outcome::Waited) {
            Some(found) => Some(Followed::Found(found, since)),
            None if self.saw.is_none() || self.seen == Seen::Doubtful => Some(Followed::Gone),
            None if self.seen == Seen::Write => Some(Followed::Written),
            None => None,
        }
    }
}

/// A look that is answered costs nothing: waiting is what the caller asked for. One that is not ends the wait.
async fn refunded<T>(
    engine: &Arc<Engine>,
    budget: &mut Budget,
    (name, key): (&'static str, &str),
    look: Pin<&mut impl Future<Output = Result<T, Error>>>,
) -> Result<T, Error> {
    let asked = clock::now();
    let answer = engine.step(budget, name, key, look).await;
    if answer.is_ok() {
        budget.refund(asked);
    }
    answer
}

/// What ended a pause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wake {
    Push,
    Timer,
}

async fn woken(mut watch: Watch, timer: Instant) -> Wake {
    match timeout_at(timer, watch.woken()).await {
        Ok(()) => Wake::Push,
        Err(_) => Wake::Timer,
    }
}

/// The pause of one who polls: doubling, with up to a quarter taken off at random, so that processes that began to wait
/// together do not ask together.
fn pause(attempt: u32, unit: f64) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(LAST_PAUSE);
    whole.mul_f64(1.0 - 0.25 * unit)
}

/// The longest pause of a caller that is woken by invalidation messages, random for the same reason; shorter where the
/// lease should be over before, or is to be doubted before.
fn push_pause(entry: Option<&[u8]>, now: Timestamp, unit: f64) -> Duration {
    let whole = PUSH_PAUSE.mul_f64(1.0 - 0.25 * unit);
    let Some(until) = entry.and_then(Header::decode).map(|lease| lease.lease_until) else { return whole };
    // A lease that is over by this clock and is there all the same: the clocks differ, or its key does not expire.
    let until = if until <= now { until.after(TOLERANCE) } else { until };
    match until.since(now) {
        Duration::ZERO => whole,
        left => whole.min(left + LEASE_GRACE.mul_f64(1.0 + unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Token;

    #[test]
    fn pauses_grow_to_their_bound_and_stay_there() {
        let pauses: Vec<u128> = (0..8).map(|attempt| pause(attempt, 0.0).as_millis()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 100, 100]);
        assert_eq!(pause(u32::MAX, 0.0), LAST_PAUSE);
        assert!(pause(7, 0.999) > Duration::from_millis(75));
    }

    #[test]
    fn who_counts_on_a_push_looks_at_the_end_of_the_lease_and_at_least_once_a_second() {
        let leased = |left| Header::lease(Token::random(), Timestamp::now(), left).alone();
        let pause = |left, unit| push_pause(Some(&leased(left)), Timestamp::now(), unit);
        assert_eq!(pause(Duration::from_secs(60), 0.0), PUSH_PAUSE);
        assert!(pause(Duration::from_secs(60), 0.999) > Duration::from_millis(750));
        let short = pause(Duration::from_millis(300), 0.0);
        assert!((300..=340).contains(&short.as_millis()), "{short:?}");
        assert_eq!(pause(Duration::ZERO, 0.0), PUSH_PAUSE, "the clocks differ");
        assert_eq!(push_pause(Some(b"foreign"), Timestamp::now(), 0.0), PUSH_PAUSE);
        assert_eq!(push_pause(None, Timestamp::now(), 0.0), PUSH_PAUSE);
    }
}

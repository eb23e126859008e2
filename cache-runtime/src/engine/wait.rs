//! Waiting for another process: polling with growing back-off, up to a limit.

use std::pin::pin;
use std::time::Duration;

use super::call::{Call, Found};
use super::single_flight::Moment;
use crate::clock;
use crate::error::Error;
use crate::report::Outcome;
use crate::store::Store;
use crate::{observe, random};

/// The first pause between two looks: a fast load is over by then.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The longest pause: a waiter learns of a slow load this late at the most, and costs ten commands a second.
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// What became of a wait.
pub(super) enum Followed {
    /// A value is there; asked for since that moment.
    Found(Found, Moment),
    /// The lease is gone without a value: its holder failed, or the key was invalidated.
    Gone,
    /// The limit is reached.
    Limit,
    /// The store failed.
    Failed(Error),
}

impl Call {
    /// Waits for the value of whoever holds the lease; a lease that changes hands is followed on.
    pub(super) async fn follow(&mut self) -> Followed {
        let until = self.entered() + self.request.lock.wait;
        observe::waits(self.request.site, &self.request.key);
        for attempt in 0_u32.. {
            let wake = clock::now() + pause(attempt, random::unit());
            self.budget.pause(tokio::time::sleep_until(wake.min(until))).await;
            let since = self.cache.engine().flights.next();
            // A look that is answered costs nothing: waiting is what the caller asked for. One that is not ends it.
            let asked = clock::now();
            let look = {
                let engine = self.cache.engine();
                let look = pin!(engine.backend.get(&self.request.key));
                engine.step(&mut self.budget, "get", look).await
            };
            if look.is_ok() {
                self.budget.refund(asked);
            }
            match look.map(|entry| (self.sight(entry, Outcome::Waited), self.saw)) {
                Ok((Some(found), _)) => return Followed::Found(found, since),
                Ok((None, None)) => return Followed::Gone,
                Ok((None, Some(_))) => {}
                Err(error) => return Followed::Failed(error),
            }
            if clock::now() >= until {
                break;
            }
        }
        observe::waited_too_long(self.request.site, &self.request.key, self.request.lock.wait);
        Followed::Limit
    }
}

/// The pause before a look: doubling, with up to a quarter taken off at random, so that processes that began to wait
/// together do not ask together.
fn pause(attempt: u32, unit: f64) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(LAST_PAUSE);
    whole.mul_f64(1.0 - 0.25 * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_stay_there() {
        let pauses: Vec<u128> = (0..8).map(|attempt| pause(attempt, 0.0).as_millis()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 100, 100]);
        assert_eq!(pause(u32::MAX, 0.0), LAST_PAUSE);
        assert!(pause(7, 0.999) > Duration::from_millis(75));
    }
}

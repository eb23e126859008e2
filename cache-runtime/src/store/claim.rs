//! What one task at a time does for everybody.
//!
//! A task goes with its runtime, which its guard says; or stands still with it, which nobody says: a runtime on one thread
//! does nothing between two calls of `block_on`. So a claim lapses unless it is renewed, and the next one to care takes
//! it over. Two at a time are a waste, and no harm.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};

/// How much later than it said a task may renew its claim: a busy machine makes it late by as much.
const GRACE: Duration = Duration::from_secs(1);

/// Whether somebody does it.
#[derive(Debug, Default)]
pub(crate) struct Claim(Mutex<Option<Instant>>);

impl Claim {
    /// Takes the claim, unless somebody has it; to be renewed after this time.
    pub(crate) fn take(&self, pause: Duration) -> bool {
        let mut lapses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        if lapses.is_some_and(|lapses| lapses > now) {
            return false;
        }
        *lapses = Some(now + pause + GRACE);
        true
    }

    /// Keeps the claim for this time.
    pub(crate) fn renew(&self, pause: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now() + pause + GRACE);
    }

    /// Whoever had it does it no more.
    pub(crate) fn give_up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_is_one_tasks_until_it_is_given_up_or_not_renewed() {
        let (claim, pause) = (Claim::default(), Duration::from_secs(5));
        assert!(claim.take(pause) && !claim.take(pause));
        claim.give_up();
        assert!(claim.take(pause));
        tokio::time::sleep(pause).await;
        claim.renew(pause);
        tokio::time::sleep(pause).await;
        assert!(!claim.take(pause), "it was renewed");
        tokio::time::sleep(GRACE).await;
        assert!(claim.take(pause), "it was not renewed");
    }
}

//! Waiting for another run of this process.

use tokio::time::timeout_at;

use super::call::{Call, Step};
use super::kind::Shared;
use super::single_flight::{Evidence, Landing, Patience, Seat};
use crate::report::Outcome;
use crate::{clock, observe};

impl Call {
    /// Waits for a flight of this process; `None` where it came to nothing that this call may take.
    pub(super) async fn wait(&mut self, seat: Seat) -> Option<Step> {
        let step = self.landed(seat).await?;
        Some(self.in_turn(step).await)
    }

    async fn landed(&mut self, mut seat: Seat) -> Option<Step> {
        let limit = self.request.lock.wait;
        let patience = Patience { limit, since: self.entered(), leader: self.cache.engine().deadline * 2 };
        // Not by `pause`, whose future holds what it waits for twice: thousands of callers may wait here.
        let paused = clock::now();
        let landing = match self.answer_by() {
            Some(by) => timeout_at(by, seat.landing(patience)).await.ok(),
            None => Some(seat.landing(patience).await),
        };
        self.budget.refund(paused);
        let Some(landing) = landing else { return Some(Step::Late) };
        let Some((evidence, landing)) = landing else {
            observe::waited_too_long(self.request.site, &self.request.key, limit);
            if patience.is_over() {
                return Some(Self::alone(self.miss()));
            }
            self.group = self.group.widened(seat.place);
            return None;
        };
        match landing {
            Landing::Abandoned => {}
            Landing::Failed(error) => return self.after_failure(error, evidence, patience, seat.place),
            _ if !self.arrival().accepts(evidence) => {}
            Landing::None => return Some(Step::Absent),
            Landing::Value(bytes) => return self.sight(Some(bytes), Outcome::Coalesced).map(Step::Decode),
        }
        None
    }

    /// The run that this call waited for failed: an old value is served, or the error where it can be shared; else the
    /// call tries again, in a smaller group.
    fn after_failure(
        &mut self,
        error: Option<Shared>,
        evidence: Evidence,
        patience: Patience,
        place: u32,
    ) -> Option<Step> {
        if let Some(found) = self.fallback.take() {
            return Some(Step::Decode(found));
        }
        if let Some(error) = error.filter(|_| self.arrival().accepts(evidence)) {
            return Some(Step::Share(error));
        }
        if patience.is_over() {
            return Some(Self::alone(self.miss()));
        }
        self.group = self.group.widened(place);
        None
    }
}

//! Waiting for another run of this process.

use tokio::time::timeout_at;

use super::call::{Call, Step};
use super::flight::{Evidence, Landing, Seat, Waited};
use super::kind::Shared;
use crate::report::Outcome;
use crate::{clock, observe};

impl Call {
    /// Waits for a flight of this process; `None` where it came to nothing that this call may take.
    pub(super) async fn wait(&mut self, seat: Seat) -> Option<Step> {
        let step = self.landed(seat).await?;
        Some(self.in_turn(step).await)
    }

    async fn landed(&mut self, mut seat: Seat) -> Option<Step> {
        self.group = seat.group();
        let (arrival, patience) = (self.arrival(), self.patience());
        // Not by `pause`, whose future holds what it waits for twice: thousands of callers may wait here.
        let paused = clock::now();
        let waited = match self.answer_by() {
            Some(by) => timeout_at(by, seat.landing(arrival, patience)).await.ok(),
            None => Some(seat.landing(arrival, patience).await),
        };
        self.budget.refund(paused);
        match waited {
            None => Some(Step::Late),
            Some(Waited::Landed(evidence, landing)) => self.after_landing(evidence, landing, &seat),
            Some(Waited::Overdue) => {
                observe::leader_overdue(self.request.site, &self.request.key);
                None
            }
            Some(Waited::Limit) => {
                self.outwaited = true;
                self.widens(&seat);
                None
            }
        }
    }

    fn after_landing(&mut self, evidence: Evidence, landing: Landing, seat: &Seat) -> Option<Step> {
        match landing {
            Landing::Abandoned => None,
            Landing::Failed(error) => self.after_failure(error, evidence, seat),
            _ if !self.arrival().accepts(evidence) => None,
            Landing::None => Some(Step::Absent),
            Landing::Value(bytes) => self.sight(Some(bytes), Outcome::Coalesced).map(Step::Decode),
        }
    }

    /// The run that this call waited for failed: an old value is served, or the error where it can be shared; else the
    /// call tries again, in a wider group.
    fn after_failure(&mut self, error: Option<Shared>, evidence: Evidence, seat: &Seat) -> Option<Step> {
        if let Some(found) = self.fallback.take() {
            return Some(Step::Decode(found));
        }
        if let Some(error) = error.filter(|_| self.arrival().accepts(evidence)) {
            return Some(Step::Share(error));
        }
        self.widens(seat);
        None
    }

    /// The call tries again in a wider group, where it comes to its own run in the end. That is progress: it is not one of
    /// the attempts after which a call gives up.
    fn widens(&mut self, seat: &Seat) {
        self.group = seat.widened();
        self.attempts = 0;
    }
}

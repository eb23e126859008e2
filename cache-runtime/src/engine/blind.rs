//! Going on without the store.

use std::sync::Arc;

use tokio::time::timeout_at;

use super::call::{Call, Step};
use super::flight::Reach;
use super::lead::Run;
use super::sight::Found;
use crate::error::{Error, ErrorKind};
use crate::policy::Failing;
use crate::report::Outcome;
use crate::{clock, observe, runtime};

impl Call {
    /// The step, once it is its turn.
    pub(super) async fn in_turn(&mut self, step: Step) -> Step {
        match step {
            Step::Load(run) if self.reach != Reach::Asks => Box::pin(self.takes_turn(run)).await,
            step => step,
        }
    }

    /// A step on the store failed: the call goes on without it.
    pub(super) fn goes_degraded(&mut self, step: &'static str, error: &Error) {
        let is_open = error.kind() == ErrorKind::BreakerOpen || self.cache.engine().server(&self.request.key).is_shut();
        self.reach = if is_open { Reach::ShutOut } else { Reach::Failed };
        self.saw = None;
        let engine = self.cache.engine();
        engine.outage.degrades();
        let (site, key) = (self.request.site, &*self.request.key);
        if error.kind() == ErrorKind::BreakerOpen {
            engine.probed(&engine.server(key), key);
            observe::shut_out(site, key);
        } else {
            engine.step_failed(site, key, step, error);
        }
    }

    /// A value that was loaded while the store is down.
    pub(super) fn copy(&mut self) -> Option<Found> {
        let copy = (self.reach != Reach::Asks).then(|| self.cache.engine().copy(&self.request.key))??;
        self.sight(Some(copy), Outcome::Hit)
    }

    /// Waits for the function's turn, where the cache bounds how many run while its store is down.
    async fn takes_turn(&mut self, mut run: Run) -> Step {
        let Some(turns) = self.cache.engine().outage.turns.clone() else { return Step::Load(run) };
        if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            run.turn = Some(turn);
            return Step::Load(run);
        }
        if runtime::with_timers().is_err() {
            return Step::Load(run);
        }
        observe::queues(self.request.site, &self.request.key);
        let limit = self.limit();
        let until = self.answer_by().map_or(limit, |by| by.min(limit));
        if let Some(lead) = &run.lead {
            lead.progresses(until.saturating_duration_since(clock::now()));
        }
        match timeout_at(until, turns.acquire_owned()).await {
            Ok(turn) => run.turn = turn.ok(),
            Err(_) if until < limit => return Step::Late,
            Err(_) if self.request.failing == Failing::Shed => {
                if let Some(found) = self.fallback.take() {
                    return Step::Decode(found);
                }
                observe::shed(self.request.site, &self.request.key);
                return Step::Refuse(Error::new(
                    ErrorKind::Shed,
                    "too many functions run while the store is down, and this one is shed",
                ));
            }
            Err(_) => observe::waited_too_long(self.request.site, &self.request.key, self.request.lock.wait),
        }
        Step::Load(run)
    }
}

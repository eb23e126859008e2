//! Leading a flight: the lease, and who has it if this call does not.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::call::{Call, Step};
use super::flight::{Evidence, Landing, Lead, Limit, Moment, Reach};
use super::lease::Lease;
use super::sight::{Found, Seen};
use super::wait::Followed;
use crate::clock::{self, Instant};
use crate::entry::{self, Token};
use crate::error::Error;
use crate::observe;
use crate::policy::Others;
use crate::report::Outcome;
use crate::store::{Budget, LeaseRequest, Leased, Store, Take};

/// How often a leader asks for a lease, because what it may displace changes under its hands.
const MAX_LEASE_REQUESTS: u32 = 4;

/// How the function is run.
pub(crate) struct Run {
    /// The flight that waits for it.
    pub(super) lead: Option<Lead>,
    pub(super) hold: Hold,
    pub(super) outcome: Outcome,
    /// Its turn, where the cache bounds how many run.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

/// What became of a request for the lease.
enum Taken {
    Lease(Lease),
    /// This entry is there instead.
    Found(Bytes),
}

/// Where the lease is while the function runs.
pub(super) enum Hold {
    /// With this run.
    Held(Lease),
    /// Not to be had: another process holds it, under this token if one was seen, or the key is not this library's.
    Elsewhere(Option<Token>),
}

impl Call {
    /// Leads a flight: takes the lease, or the value that came meanwhile, or waits for the process that has the lease.
    pub(super) async fn lead(&mut self, lead: Lead) -> Step {
        if std::mem::take(&mut self.outwaited) || lead.group() != self.group {
            observe::waited_too_long(self.request.site, &self.request.key, self.request.lock.wait);
        }
        self.group = lead.group();
        for _ in 0..MAX_LEASE_REQUESTS {
            if self.reach != Reach::Asks || self.foreign || !self.group.takes_lease() {
                break;
            }
            if self.seen != Seen::Doubtful && self.saw.is_some_and(|lease| !lead.passes(lease)) {
                // A write may take long, and may leave no value: nobody waits for its end.
                let is_wait_of_use = self.request.lock.others == Others::Wait && self.seen != Seen::Write;
                if !is_wait_of_use || self.limit() <= clock::now() {
                    break;
                }
                match self.follow(&lead).await {
                    Followed::Found(found, since) => return Self::land(&lead, found, since),
                    Followed::Gone => self.followed = true,
                    Followed::Late => return Step::Late,
                    Followed::Limit | Followed::Written => break,
                    Followed::Failed(error) if self.refuses() => return Step::Refuse(error),
                    Followed::Failed(error) => {
                        self.goes_degraded("get", &error);
                        break;
                    }
                }
            }
            let since = self.cache.engine().flights.next();
            match self.take_lease(&lead).await {
                Ok(Taken::Lease(lease)) => return self.leading(lead, Hold::Held(lease)),
                Ok(Taken::Found(entry)) => {
                    if let Some(found) = self.lease_refused(entry.clone()) {
                        return Self::land(&lead, found, since);
                    }
                    if self.saw.is_some_and(|lease| lead.passes(lease)) {
                        self.take = Take::Refresh(Bytes::copy_from_slice(entry::head(&entry)));
                    }
                }
                Err(error) if self.refuses() => return Step::Refuse(error),
                Err(error) => self.goes_degraded("lease", &error),
            }
        }
        if (self.reach == Reach::Failed || self.foreign)
            && let Some(step) = self.comes_next(&lead).await
        {
            return step;
        }
        self.leading(lead, Hold::Elsewhere(self.saw))
    }

    /// Waits for the run before this one: nothing proves that it began after the last invalidation, so callers that came
    /// after it began share this run, and not that one.
    async fn comes_next(&mut self, lead: &Lead) -> Option<Step> {
        let limit = self.limit();
        let until = self.answer_by().map_or(limit, |by| by.min(limit));
        match lead.comes_next(until).await {
            Ok(()) => {}
            Err(Limit) if until < limit => return Some(Step::Late),
            Err(Limit) => observe::waited_too_long(self.request.site, &self.request.key, self.request.lock.wait),
        }
        None
    }

    /// Until when the call waits for another process, or for the run before its own.
    pub(super) fn limit(&mut self) -> Instant {
        self.entered() + self.request.lock.wait
    }

    /// Runs the function whatever is cached, under a lease that leaves a value readable meanwhile.
    pub(super) async fn refresh(&mut self) -> Step {
        let key = Arc::clone(self.shared_key());
        let lead = self.cache.engine().flights.replace(&key);
        self.take = Take::Any;
        let hold = match self.take_lease(&lead).await {
            Ok(Taken::Lease(lease)) => Hold::Held(lease),
            Ok(Taken::Found(entry)) => {
                self.sight(Some(entry), Outcome::Hit);
                Hold::Elsewhere(None)
            }
            Err(error) if self.refuses() => return Step::Refuse(error),
            Err(error) => {
                self.goes_degraded("lease", &error);
                Hold::Elsewhere(None)
            }
        };
        self.leading(lead, hold)
    }

    /// Loads a value anew that is served meanwhile, under a lease on it; `None` when another process does, or the value is
    /// not there any more. The lead was taken when the value was served.
    pub(super) async fn revalidate(&mut self, lead: Lead, found: &Found) -> Option<Run> {
        self.budget = Budget::new(self.cache.engine().deadline);
        self.take = Take::Refresh(Bytes::copy_from_slice(entry::head(&found.bytes)));
        match self.take_lease(&lead).await {
            Ok(Taken::Lease(lease)) => {
                Some(Run { lead: Some(lead), hold: Hold::Held(lease), outcome: Outcome::Revalidated, turn: None })
            }
            Ok(Taken::Found(_)) => None,
            Err(error) => {
                self.cache.engine().step_failed(self.request.site, &self.request.key, "lease", &error);
                None
            }
        }
    }

    /// Asks for the lease; where the connection was dead once more, under another token: the first one may have been
    /// granted, seen and removed by now, and must not come back.
    async fn take_lease(&mut self, lead: &Lead) -> Result<Taken, Error> {
        match self.ask_for_lease(lead).await {
            Err(error) if error.is_unavailable() => self.ask_for_lease(lead).await,
            answer => answer,
        }
    }

    /// Asks for the lease. From then on it must be given back: also when this call is dropped before the answer, and
    /// when the answer does not come.
    async fn ask_for_lease(&mut self, lead: &Lead) -> Result<Taken, Error> {
        let mut lease = Lease::new(self);
        lead.asks(lease.token());
        let engine = self.cache.engine();
        let request = LeaseRequest::new(lease.token(), self.request.lock.lease, self.take.clone(), self.now())
            .overwriting_foreign(engine.overwrites_foreign);
        let asked = pin!(engine.backend.lease(&self.request.key, &request));
        match engine.step(&mut self.budget, "lease", &self.request.key, asked).await {
            Ok(Leased::Granted) => Ok(Taken::Lease(lease)),
            Ok(Leased::Found(entry)) => {
                lease.settle();
                Ok(Taken::Found(entry))
            }
            Err(error) => {
                if !(error.is_timeout() || error.is_unavailable()) {
                    lease.settle();
                }
                Err(error)
            }
        }
    }

    /// A leader found the value in the store: everybody who waits gets it.
    fn land(lead: &Lead, found: Found, since: Moment) -> Step {
        let evidence = Evidence { since, lease: Some(found.header.token) };
        lead.land(evidence, Landing::Value(found.bytes.clone()));
        Step::Decode(found)
    }

    /// Runs the function for a flight, or fails where that is not to be done without the cache.
    fn leading(&self, lead: Lead, hold: Hold) -> Step {
        if self.foreign && self.refuses() {
            return Step::Refuse(Error::foreign());
        }
        Step::Load(Run { lead: Some(lead), hold, outcome: self.miss(), turn: None })
    }
}

//! Leading a flight: the lease, and who has it if this call does not.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::call::{Call, Step};
use super::lease::Lease;
use super::sight::{Found, Seen};
use super::single_flight::{Evidence, Landing, Lead, Moment};
use super::wait::Followed;
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
    /// Not to be had: another process holds it, under this token if one was seen.
    Elsewhere(Option<Token>),
}

impl Call {
    /// Leads a flight: takes the lease, or the value that came meanwhile, or waits for the process that has the lease.
    pub(super) async fn lead(&mut self, lead: Lead) -> Step {
        for _ in 0..MAX_LEASE_REQUESTS {
            if self.blind || !self.group.takes_lease() {
                break;
            }
            if self.saw.is_some() && self.hold != Seen::Doubtful {
                // A write may take long, and may leave no value: nobody waits for its end.
                if self.request.lock.others == Others::Run || self.hold == Seen::Write {
                    break;
                }
                match self.follow().await {
                    Followed::Found(found, since) => return Self::land(&lead, found, since),
                    Followed::Gone => self.followed = true,
                    Followed::Late => return Step::Late,
                    Followed::Limit | Followed::Written => break,
                    Followed::Failed(error) if self.refuses() => return Step::Refuse(error),
                    Followed::Failed(error) => {
                        self.goes_blind("get", &error);
                        break;
                    }
                }
            }
            let since = self.cache.engine().flights.next();
            match self.take_lease().await {
                Ok(Taken::Lease(lease)) => return self.leading(lead, Hold::Held(lease)),
                Ok(Taken::Found(entry)) => {
                    if let Some(found) = self.lease_refused(entry) {
                        return Self::land(&lead, found, since);
                    }
                }
                Err(error) if self.refuses() => return Step::Refuse(error),
                Err(error) => self.goes_blind("lease", &error),
            }
        }
        self.leading(lead, Hold::Elsewhere(self.saw))
    }

    /// Runs the function whatever is cached, under a lease that leaves a value readable meanwhile.
    pub(super) async fn refresh(&mut self) -> Step {
        let key = Arc::clone(self.shared_key());
        let lead = self.cache.engine().flights.replace(&key);
        self.take = Take::Any;
        let hold = match self.take_lease().await {
            Ok(Taken::Lease(lease)) => Hold::Held(lease),
            Ok(Taken::Found(_)) => Hold::Elsewhere(None),
            Err(error) if self.refuses() => return Step::Refuse(error),
            Err(error) => {
                self.goes_blind("lease", &error);
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
        match self.take_lease().await {
            Ok(Taken::Lease(lease)) => {
                Some(Run { lead: Some(lead), hold: Hold::Held(lease), outcome: Outcome::Revalidated, turn: None })
            }
            Ok(Taken::Found(_)) => None,
            Err(error) => {
                observe::failed(self.request.site, &self.request.key, "lease", &error);
                None
            }
        }
    }

    /// Asks for the lease; where the connection was dead once more, under another token: the first one may have been
    /// granted, seen and removed by now, and must not come back.
    async fn take_lease(&mut self) -> Result<Taken, Error> {
        match self.ask_for_lease().await {
            Err(error) if error.is_unavailable() => self.ask_for_lease().await,
            answer => answer,
        }
    }

    /// Asks for the lease. From then on it must be given back: also when this call is dropped before the answer, and
    /// when the answer does not come.
    async fn ask_for_lease(&mut self) -> Result<Taken, Error> {
        let mut lease = Lease::new(self);
        let request = LeaseRequest::new(lease.token(), self.request.lock.lease, self.take.clone(), self.now());
        let engine = self.cache.engine();
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

    /// Runs the function for a flight.
    fn leading(&self, lead: Lead, hold: Hold) -> Step {
        Step::Load(Run { lead: Some(lead), hold, outcome: self.miss(), turn: None })
    }
}

//! A fill: the run of the user's function, the lease it holds, and what becomes of both.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::call::{Call, Hold, Run};
use super::kind::Loaded;
use super::load::Load;
use super::single_flight::{Evidence, Landing, Lead};
use crate::clock::{self, Instant};
use crate::entry::{HEADER_LEN, Header, Token};
use crate::observe;
use crate::report::Outcome;
use crate::scope::Leading;
use crate::store::{Commit, Store};

/// A run of the function. Dropped before its end, it abandons its flight and gives its lease back.
pub(crate) struct Fill {
    call: Box<Call>,
    lead: Option<Lead>,
    hold: Hold,
    evidence: Option<Evidence>,
    /// The keys that this task's functions load, this one among them.
    leading: Option<Leading>,
    /// Keeps the lease while the function runs.
    keeping: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    started: Instant,
    outcome: Outcome,
}

/// What a run came to, ready for the store and for who waits.
enum Ending {
    /// A value, encoded, and how long it lives: `None` where it is not to be stored.
    Value(Bytes, Option<Duration>),
    /// A value that nobody waits for and that has no lease to be stored under.
    Unwanted,
    /// `None`, which is not stored.
    None,
    /// An error, or a value that cannot be encoded.
    Failed,
}

impl Fill {
    /// Begins a run.
    pub(crate) fn new(mut call: Box<Call>, run: Run) -> Self {
        let Run { lead, hold, outcome } = run;
        let (mut evidence, mut leading, mut keeping) = (None, None, None);
        if let Some(lead) = &lead {
            let (seen, held) = match &hold {
                Hold::Held(lease) => (Some(lease.token()), Some(lease)),
                Hold::Elsewhere(token) => (*token, None),
            };
            evidence = Some(lead.loading(seen));
            leading = Some(Leading::of(call.cache_address(), Arc::clone(call.shared_key())));
            keeping = held.map(|held| held.keep(call.request.lock.lease));
        }
        Self { call, lead, hold, evidence, leading, keeping, started: clock::now(), outcome }
    }

    /// Drives the function; a lease that it holds is renewed meanwhile.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, load: &mut dyn Load) -> Poll<()> {
        let body = match &self.leading {
            Some(leading) => leading.within(|| load.poll(context)),
            None => load.poll(context),
        };
        if body.is_ready() {
            self.call.budget.refund(self.started);
            return body;
        }
        if let Some(keeping) = &mut self.keeping
            && keeping.as_mut().poll(context).is_ready()
        {
            self.keeping = None;
        }
        Poll::Pending
    }

    /// The token of the lease that this run holds.
    fn token(&self) -> Option<Token> {
        match &self.hold {
            Hold::Held(lease) => Some(lease.token()),
            Hold::Elsewhere(_) => None,
        }
    }

    /// Hands the result to who waits, and to the store.
    pub(crate) fn finish(mut self, load: &dyn Load) -> impl Future<Output = ()> + Send + use<> {
        self.keeping = None;
        let ending = match load.loaded() {
            Loaded::Value(()) => self.encode(load),
            Loaded::None => Ending::None,
            Loaded::Failed => Ending::Failed,
        };
        self.hand_out(ending)
    }

    /// Encodes the value, if it is wanted.
    fn encode(&self, load: &dyn Load) -> Ending {
        if let Some(token) = self.token() {
            return self.encode_as(token, load);
        }
        let company = self.lead.as_ref().is_some_and(Lead::closed_with_company);
        if company { self.encode_as(Token::random(), load) } else { Ending::Unwanted }
    }

    fn encode_as(&self, token: Token, load: &dyn Load) -> Ending {
        let site = self.call.request.site;
        let lifetime = self.call.lifetime();
        if lifetime.is_none() {
            observe::zero_ttl(site, &self.call.request.key);
        }
        let cost = clock::now() - self.started;
        let header = Header::value(self.call.schema, token, lifetime.unwrap_or_default(), cost);
        let mut entry = Vec::with_capacity(HEADER_LEN * 4);
        header.encode(&mut entry);
        match load.encode(self.call.format(), &mut entry) {
            Ok(()) => {
                // In memory the room that is left over would count for nothing and cost all the same.
                entry.shrink_to_fit();
                Ending::Value(entry.into(), lifetime)
            }
            Err(error) => {
                observe::not_encoded(site, &self.call.request.key, &error);
                Ending::Failed
            }
        }
    }

    async fn hand_out(mut self, ending: Ending) {
        let mut stored = false;
        match ending {
            Ending::Value(entry, lifetime) => {
                self.land(Landing::Value(entry.clone()));
                match lifetime {
                    Some(lifetime) => stored = self.commit(entry, lifetime).await,
                    None => self.release().await,
                }
            }
            Ending::Unwanted => {}
            Ending::None => {
                self.land(Landing::None);
                self.withdraw().await;
            }
            Ending::Failed => {
                self.land(Landing::Failed);
                self.release().await;
            }
        }
        self.call.ended(self.outcome, None, stored);
    }

    fn land(&self, landing: Landing) {
        if let (Some(lead), Some(evidence)) = (&self.lead, self.evidence) {
            lead.land(evidence, landing);
        }
    }

    /// Stores the value under the lease; whether it did.
    async fn commit(&mut self, entry: Bytes, lifetime: Duration) -> bool {
        let Hold::Held(lease) = &mut self.hold else { return false };
        let Call { cache, budget, request, .. } = &mut *self.call;
        let engine = cache.engine();
        let commit = pin!(engine.backend.commit(&request.key, lease.token(), entry, lifetime));
        match engine.step(budget, "commit", commit).await {
            Ok(Commit::Stored) => {
                lease.settle();
                true
            }
            Ok(Commit::Lost) => {
                lease.settle();
                observe::commit_lost(request.site, &request.key);
                false
            }
            Err(error) => {
                observe::failed(request.site, &request.key, "commit", &error);
                false
            }
        }
    }

    /// Gives the lease back; a value that it is on stays.
    async fn release(&mut self) {
        let Hold::Held(lease) = &mut self.hold else { return };
        let Call { cache, budget, request, .. } = &mut *self.call;
        let engine = cache.engine();
        let release = pin!(engine.backend.release(&request.key, lease.token()));
        match engine.step(budget, "release", release).await {
            Ok(()) => lease.settle(),
            Err(error) => observe::failed(request.site, &request.key, "release", &error),
        }
    }

    /// There is no value any more: gives the lease back, and with it the value that a refresh found.
    async fn withdraw(&mut self) {
        if self.outcome != Outcome::Refreshed {
            return self.release().await;
        }
        let Hold::Held(lease) = &mut self.hold else { return };
        let Call { cache, budget, request, .. } = &mut *self.call;
        let engine = cache.engine();
        let remove = pin!(engine.backend.remove(&request.key));
        match engine.step(budget, "remove", remove).await {
            Ok(()) => lease.settle(),
            Err(error) => observe::failed(request.site, &request.key, "remove", &error),
        }
    }
}

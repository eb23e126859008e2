//! A fill: the run of the user's function, the lease it holds, and what becomes of both.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};

use super::call::{Call, Hold, Run};
use super::single_flight::{Evidence, Landing, Lead};
use crate::clock::{self, Instant};
use crate::codec::Format;
use crate::entry::{HEADER_LEN, Header, Token};
use crate::error::Error;
use crate::report::Outcome;
use crate::store::{Commit, Store};
use crate::{observe, scope};

/// A run of the function. Dropped before its end, it abandons its flight and gives its lease back.
pub(crate) struct Fill<'s, 'c> {
    call: &'s mut Call<'c>,
    lead: Option<Lead>,
    hold: Hold,
    evidence: Option<Evidence>,
    started: Instant,
    outcome: Outcome,
}

/// What a run came to, ready for the store and for who waits.
pub(crate) enum Ending {
    /// A value, encoded, and how long it lives: `None` where it is not to be stored.
    Value(Bytes, Option<Duration>),
    /// A value that nobody waits for and that has no lease to be stored under.
    Unwanted,
    /// `None`, which is not stored.
    None,
    /// An error, or a value that cannot be encoded.
    Failed,
}

impl<'s, 'c> Fill<'s, 'c> {
    pub(crate) fn new(call: &'s mut Call<'c>, run: Run) -> Self {
        let Run { lead, hold, outcome } = run;
        Self { call, lead, hold, evidence: None, started: clock::now(), outcome }
    }

    /// Runs the function; a lease that it holds is renewed meanwhile.
    pub(crate) async fn run<B: Future>(&mut self, body: Pin<&mut B>) -> B::Output {
        let Some(lead) = &self.lead else { return body.await };
        let (seen, held) = match &self.hold {
            Hold::Held(lease) => (Some(lease.token()), Some(lease)),
            Hold::Elsewhere(token) => (*token, None),
        };
        self.evidence = Some(lead.loading(seen));
        self.started = clock::now();
        let body = pin!(scope::leading(self.call.cache_address(), Arc::clone(self.call.shared_key()), body));
        let ttl = self.call.request.lock.lease;
        let kept = async {
            let Some(held) = held else { return body.await };
            match select(body, pin!(held.keep(ttl))).await {
                Either::Left((output, _)) => output,
                Either::Right(((), body)) => body.await,
            }
        };
        self.call.budget.pause(kept).await
    }

    /// The token of the lease that this run holds.
    fn token(&self) -> Option<Token> {
        match &self.hold {
            Hold::Held(lease) => Some(lease.token()),
            Hold::Elsewhere(_) => None,
        }
    }

    /// Encodes the value, if it is wanted. `encode` appends the payload.
    pub(crate) fn encode(&mut self, encode: impl FnOnce(Format, &mut Vec<u8>) -> Result<(), Error>) -> Ending {
        if let Some(token) = self.token() {
            return self.encode_as(token, encode);
        }
        let company = self.lead.as_ref().is_some_and(Lead::closed_with_company);
        if company { self.encode_as(Token::random(), encode) } else { Ending::Unwanted }
    }

    fn encode_as(&self, token: Token, encode: impl FnOnce(Format, &mut Vec<u8>) -> Result<(), Error>) -> Ending {
        let site = self.call.request.site;
        let lifetime = self.call.lifetime();
        if lifetime.is_none() {
            observe::zero_ttl(site, &self.call.request.key);
        }
        let cost = clock::now() - self.started;
        let header = Header::value(self.call.schema, token, lifetime.unwrap_or_default(), cost);
        let mut entry = Vec::with_capacity(HEADER_LEN * 4);
        header.encode(&mut entry);
        match encode(self.call.format(), &mut entry) {
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

    /// Hands the result to who waits, and to the store.
    pub(crate) async fn finish(mut self, ending: Ending) {
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
        let Call { engine, budget, request, .. } = &mut *self.call;
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
        let Call { engine, budget, request, .. } = &mut *self.call;
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
        let Call { engine, budget, request, .. } = &mut *self.call;
        let remove = pin!(engine.backend.remove(&request.key));
        match engine.step(budget, "remove", remove).await {
            Ok(()) => lease.settle(),
            Err(error) => observe::failed(request.site, &request.key, "remove", &error),
        }
    }
}

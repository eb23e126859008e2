//! A fill: the run of the user's function, the lease it holds, and what becomes of both.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::Engine;
use super::call::{Call, LeaseHold};
use super::single_flight::{Evidence, Landing, Lead};
use crate::clock::{self, Instant};
use crate::codec::Format;
use crate::entry::{HEADER_LEN, Header, Token};
use crate::error::Error;
use crate::policy::{MAX_RENEWALS, RENEW_AFTER};
use crate::report::Outcome;
use crate::site::Site;
use crate::store::{Budget, Commit, Store};
use crate::{observe, scope};

/// A run of the function. Dropped before its end, it abandons its flight and gives its lease back.
pub(crate) struct Fill<'s, 'c> {
    call: &'s mut Call<'c>,
    lead: Option<Lead>,
    lease: Option<Lease>,
    hold: LeaseHold,
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
    /// A run for a flight.
    pub(super) fn leading(call: &'s mut Call<'c>, lead: Lead, hold: LeaseHold) -> Self {
        let lease = match hold {
            LeaseHold::Held(token) | LeaseHold::Unknown(token) => Some(Lease::new(call, token)),
            LeaseHold::Elsewhere(_) => None,
        };
        let outcome = call.miss();
        Self { call, lead: Some(lead), lease, hold, evidence: None, started: clock::now(), outcome }
    }

    /// A run for this caller alone.
    pub(super) fn alone(call: &'s mut Call<'c>, outcome: Outcome) -> Self {
        let hold = LeaseHold::Elsewhere(None);
        Self { call, lead: None, lease: None, hold, evidence: None, started: clock::now(), outcome }
    }

    /// Runs the function; a lease that it holds is renewed meanwhile.
    pub(crate) async fn run<B: Future>(&mut self, body: Pin<&mut B>) -> B::Output {
        let Some(lead) = &self.lead else { return body.await };
        let (seen, held) = match self.hold {
            LeaseHold::Held(token) => (Some(token), self.lease.as_ref()),
            LeaseHold::Unknown(_) => (None, None),
            LeaseHold::Elsewhere(token) => (token, None),
        };
        self.evidence = Some(lead.loading(seen));
        self.started = clock::now();
        let body = pin!(scope::leading(self.call.cache_address(), Arc::clone(self.call.shared_key()), body));
        let lease = self.call.request.lock.lease;
        let kept = async {
            let Some(held) = held else { return body.await };
            match select(body, pin!(held.keep(lease))).await {
                Either::Left((output, _)) => output,
                Either::Right(((), body)) => body.await,
            }
        };
        self.call.budget.pause(kept).await
    }

    /// Encodes the value, if it is wanted. `encode` appends the payload.
    pub(crate) fn encode(&mut self, encode: impl FnOnce(Format, &mut Vec<u8>) -> Result<(), Error>) -> Ending {
        let LeaseHold::Held(token) = self.hold else {
            let company = self.lead.as_ref().is_some_and(Lead::closed_with_company);
            return if company { self.encode_as(Token::random(), encode) } else { Ending::Unwanted };
        };
        self.encode_as(token, encode)
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
            Ok(()) => Ending::Value(entry.into(), lifetime),
            Err(error) => {
                observe::not_encoded(site, &self.call.request.key, &error);
                Ending::Failed
            }
        }
    }

    /// Hands the result to who waits, and to the store.
    pub(crate) async fn finish(mut self, ending: Ending) {
        let mut stored = None;
        match ending {
            Ending::Value(entry, lifetime) => {
                self.land(Landing::Value(entry.clone()));
                if let (Some(lifetime), LeaseHold::Held(token)) = (lifetime, self.hold) {
                    stored = self.commit(token, entry, lifetime).await;
                }
            }
            Ending::Unwanted => {}
            Ending::None => self.land(Landing::None),
            Ending::Failed => self.land(Landing::Failed),
        }
        if let (None, LeaseHold::Held(token)) = (stored, self.hold) {
            self.release(token).await;
        }
        self.call.ended(self.outcome, None, stored == Some(Commit::Stored));
    }

    /// The store has settled the lease: committed, lost, or given back.
    fn settle(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.open = false;
        }
    }

    fn land(&self, landing: Landing) {
        if let (Some(lead), Some(evidence)) = (&self.lead, self.evidence) {
            lead.land(evidence, landing);
        }
    }

    /// `None` where the store failed.
    async fn commit(&mut self, token: Token, entry: Bytes, lifetime: Duration) -> Option<Commit> {
        let Call { engine, budget, request, .. } = &mut *self.call;
        let answer = {
            let commit = pin!(engine.backend.commit(&request.key, token, entry, lifetime));
            budget.step("commit", commit).await
        };
        match answer {
            Ok(commit) => {
                if commit == Commit::Lost {
                    observe::commit_lost(request.site, &request.key);
                }
                self.settle();
                Some(commit)
            }
            Err(error) => {
                observe::failed(request.site, &request.key, "commit", &error);
                None
            }
        }
    }

    async fn release(&mut self, token: Token) {
        let Call { engine, budget, request, .. } = &mut *self.call;
        let answer = {
            let release = pin!(engine.backend.release(&request.key, token));
            budget.step("release", release).await
        };
        match answer {
            Ok(()) => self.settle(),
            Err(error) => observe::failed(request.site, &request.key, "release", &error),
        }
    }
}

/// A lease that must be given back. Dropped while it is open, it is given back in the background.
struct Lease {
    engine: Arc<Engine>,
    site: &'static Site,
    key: Arc<str>,
    token: Token,
    open: bool,
}

impl Lease {
    fn new(call: &mut Call<'_>, token: Token) -> Self {
        let key = Arc::clone(call.shared_key());
        Self { engine: Arc::clone(call.engine), site: call.request.site, key, token, open: true }
    }

    /// Renews the lease until it is lost or has been renewed often enough.
    async fn keep(&self, ttl: Duration) {
        for _ in 0..MAX_RENEWALS {
            tokio::time::sleep(ttl.mul_f64(RENEW_AFTER)).await;
            let renewal = pin!(self.engine.backend.renew(&self.key, self.token, ttl));
            match Budget::new(self.engine.deadline).step("renew", renewal).await {
                Ok(true) => {}
                Ok(false) => return observe::lease_lost(self.site, &self.key),
                Err(error) => observe::failed(self.site, &self.key, "renew", &error),
            }
        }
        observe::lease_given_up(self.site, &self.key);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (engine, site, key, token) = (Arc::clone(&self.engine), self.site, Arc::clone(&self.key), self.token);
        let mut release = Box::pin(async move {
            let release = pin!(engine.backend.release(&key, token));
            if let Err(error) = Budget::new(engine.deadline).step("release", release).await {
                observe::failed(site, &key, "release", &error);
            }
        });
        // An in-process store is done at once. Where the runtime is gone, the lease ends by its own expiry.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if release.as_mut().now_or_never().is_none() {
            runtime.spawn(release);
        }
    }
}

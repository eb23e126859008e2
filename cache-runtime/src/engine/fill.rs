//! A fill: the run of the user's function, the lease it holds, and what becomes of both.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::Request;
use super::background::Background;
use super::call::Call;
use super::flight::{Evidence, Landing, Lead, Reach};
use super::kind::Loaded;
use super::lead::{Hold, Run};
use super::load::{Load, Reply};
use crate::clock::{self, Instant};
use crate::entry::{self, Flags, Header, Token, Written};
use crate::observe;
use crate::policy::freshness::RETRY_AFTER;
use crate::policy::ttl;
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
    /// The old value that is served, if it comes to that.
    served: Option<Header>,
    /// Its turn, given back when the function has ended.
    turn: Option<OwnedSemaphorePermit>,
}

/// What a run came to: for who waits, and for the store.
struct Ending {
    landing: Landing,
    fate: Fate,
}

/// What the store hears.
enum Fate {
    /// An entry, and how long its key lives.
    Commit(Bytes, Duration),
    /// Nothing new. A value that the lease is on is left alone for so long.
    Release(Duration),
    /// There is no value any more.
    Withdraw,
}

impl Fill {
    /// Begins a run.
    pub(crate) fn new(mut call: Box<Call>, run: Run) -> Self {
        let Run { lead, hold, outcome, turn } = run;
        let (mut evidence, mut keeping) = (None, None);
        // Also a run beside a flight knows what it is inside of, should it have a task of its own.
        let mut leading = Leading::current();
        if let Some(lead) = &lead {
            let (seen, held) = match &hold {
                Hold::Held(lease) => (Some(lease.token()), Some(lease)),
                Hold::Elsewhere(token) => (*token, None),
            };
            evidence = Some(lead.loading(seen));
            leading = Some(Leading::of(call.cache_address(), Arc::clone(call.shared_key())));
            keeping = held.map(|held| held.keep(call.request.lock.lease));
        }
        Self { call, lead, hold, evidence, leading, keeping, started: clock::now(), outcome, served: None, turn }
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

    /// What keeps count of work without a caller.
    pub(crate) fn background(&self) -> &Arc<Background> {
        &self.call.cache.engine().background
    }

    /// The token of the lease that this run holds.
    fn token(&self) -> Option<Token> {
        match &self.hold {
            Hold::Held(lease) => Some(lease.token()),
            Hold::Elsewhere(_) => None,
        }
    }

    /// Hands the answer to who waits, and to the store. A caller that went away gets no report.
    pub(crate) fn finish(mut self, answer: &mut dyn Reply, reports: bool) -> impl Future<Output = ()> + Send + use<> {
        (self.keeping, self.turn) = (None, None);
        let ending = match answer.loaded() {
            Loaded::Value(()) => self.value(answer),
            Loaded::None => self.none(answer),
            Loaded::Failed => self.failure(answer),
        };
        self.hand_out(ending, reports)
    }

    fn value(&self, answer: &dyn Reply) -> Ending {
        let lifetime = self.call.lifetime(answer.ttl().unwrap_or(self.call.request.ttl));
        if lifetime.is_none() {
            observe::zero_ttl(self.call.request.site, &self.call.request.key);
        }
        let lifetime = lifetime.filter(|_| answer.is_wanted());
        let nothing = Fate::Release(self.pause());
        let Some((token, lifetime)) = self.token().zip(lifetime) else {
            let header = || self.header(Flags::default(), Token::random(), Duration::ZERO);
            let encoded = || self.encode(answer, header()).map(|written| written.bytes);
            let mut landing = self.keeps(answer).and_then(|lead| Some(self.keep(lead, encoded()?)));
            if self.lead.as_ref().is_some_and(Lead::closed_with_company) && landing.is_none() {
                landing = encoded();
            }
            return Ending { landing: landing.map_or(Landing::Abandoned, Landing::Value), fate: nothing };
        };
        let outlives = self.call.request.freshness.outlives();
        let header = self.header(Flags::default(), token, lifetime);
        let header = if outlives.is_zero() { header } else { header.outliving() };
        match self.encode(answer, header) {
            Some(written) => self.storing(written, ttl::with_windows(lifetime, outlives)),
            None => Ending { landing: Landing::Failed(None), fate: nothing },
        }
    }

    /// The flight whose value is kept in this process while the store is down.
    fn keeps(&self, answer: &dyn Reply) -> Option<&Lead> {
        let wanted = self.call.reach != Reach::Asks
            && self.call.cache.engine().wants_copy(&self.call.request.key)
            && answer.is_wanted();
        self.lead.as_ref().filter(|_| wanted)
    }

    /// Keeps an entry, unless the key was invalidated since it began to be loaded.
    fn keep(&self, lead: &Lead, entry: Bytes) -> Bytes {
        lead.unless_ended(|| self.call.cache.engine().keep(&self.call.request.key, entry.clone()));
        entry
    }

    fn none(&self, answer: &dyn Reply) -> Ending {
        let lifetime = self.call.request.none_ttl.and_then(|ttl| self.call.lifetime(ttl));
        let entry = self.token().zip(lifetime).and_then(|(token, lifetime)| {
            let header = self.header(Flags::NONE, token, lifetime);
            Some((self.encode(answer, header)?, lifetime))
        });
        let fate = entry.map_or(Fate::Withdraw, |(written, lifetime)| Fate::Commit(written.bytes, lifetime));
        Ending { landing: Landing::None, fate }
    }

    /// An old value is served instead, where there is one; else the error may be one to store.
    fn failure(&mut self, answer: &mut dyn Reply) -> Ending {
        let call = &mut self.call;
        let shared = answer.share();
        if answer.has_panicked() {
            observe::panicked(call.request.site, &call.request.key);
        }
        if let Some(found) = call.fallback.take()
            && call.decodes(&found, answer)
        {
            observe::served_stale(call.request.site, &call.request.key);
            (self.outcome, self.served) = (Outcome::Stale, Some(found.header));
            return Ending { landing: Landing::Failed(shared), fate: Fate::Release(RETRY_AFTER) };
        }
        let lifetime =
            self.call.request.err_ttl.filter(|_| self.outcome != Outcome::Revalidated && !answer.has_panicked());
        let lifetime = lifetime.and_then(|ttl| self.call.lifetime(ttl));
        let stored = self.token().zip(lifetime).zip(answer.failure_fingerprint());
        let entry = stored.and_then(|((token, lifetime), fingerprint)| {
            let mut header = self.header(Flags::FAILURE, token, lifetime);
            header.schema = header.schema.of(fingerprint);
            Some((self.encode(answer, header)?, lifetime))
        });
        match entry {
            Some((written, lifetime)) => self.storing(written, lifetime),
            None => Ending { landing: Landing::Failed(shared), fate: Fate::Release(self.pause()) },
        }
    }

    /// Waiting callers get the entry, and so does the store, unless it is too long for the cache or for the store.
    fn storing(&self, Written { bytes, size }: Written, lifetime: Duration) -> Ending {
        let (engine, Request { site, key, .. }) = (self.call.cache.engine(), &self.call.request);
        let fate = if !engine.sizes.allow(size) {
            observe::too_long(site, key, size, engine.sizes.max_entry);
            Fate::Release(self.pause())
        } else if let Err(error) = engine.backend.fits(key, bytes.len()) {
            observe::does_not_fit(site, key, &error);
            Fate::Release(self.pause())
        } else {
            Fate::Commit(bytes.clone(), lifetime)
        };
        Ending { landing: Landing::Value(bytes), fate }
    }

    /// For how long the origin is left alone when there is nothing new: a refresh that failed is not tried at once again.
    fn pause(&self) -> Duration {
        if self.outcome == Outcome::Revalidated { RETRY_AFTER } else { Duration::ZERO }
    }

    fn header(&self, flags: Flags, token: Token, lifetime: Duration) -> Header {
        let now = self.call.now();
        let header = Header::value(self.call.expected.value, token, now, lifetime);
        Header { flags, ..header.costing(clock::now() - self.started) }
    }

    fn encode(&self, answer: &dyn Reply, header: Header) -> Option<Written> {
        let Request { site, key, .. } = &self.call.request;
        let engine = self.call.cache.engine();
        let written = entry::write(&header, key, &engine.sizes, |out| {
            let start = out.len();
            answer.encode(engine.format, out)?;
            if cfg!(debug_assertions) && matches!(answer.loaded(), Loaded::Value(())) {
                engine.follow_value(&self.call.request, answer, out.get(start..).unwrap_or_default());
            }
            Ok(())
        });
        written.inspect_err(|error| observe::not_encoded(site, key, error)).ok()
    }

    async fn hand_out(mut self, ending: Ending, reports: bool) {
        self.land(ending.landing);
        let mut stored = false;
        match ending.fate {
            Fate::Commit(entry, ttl) => stored = self.commit(entry, ttl).await,
            Fate::Release(hold_off) => self.release(hold_off).await,
            Fate::Withdraw => self.withdraw().await,
        }
        if reports {
            self.call.ended(self.outcome, self.served, stored);
        } else {
            observe::outcome(self.call.request.site, &self.call.request.key, self.outcome, || None);
        }
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
        match engine.step(budget, "commit", &request.key, commit).await {
            Ok(Commit::Stored) => {
                lease.settle();
                if let Some(evidence) = self.evidence {
                    engine.loaded(lease.token(), evidence.since);
                }
                true
            }
            Ok(Commit::Lost) => {
                lease.settle();
                observe::commit_lost(request.site, &request.key);
                false
            }
            Err(error) => {
                engine.step_failed(request.site, &request.key, "commit", &error);
                false
            }
        }
    }

    /// Gives the lease back; a value that it is on stays, and is left alone for so long.
    async fn release(&mut self, hold_off: Duration) {
        let Hold::Held(lease) = &mut self.hold else { return };
        let Call { cache, budget, request, .. } = &mut *self.call;
        let engine = cache.engine();
        let release = pin!(engine.backend.release(&request.key, lease.token(), hold_off));
        match engine.step(budget, "release", &request.key, release).await {
            Ok(()) => lease.settle(),
            Err(error) => engine.step_failed(request.site, &request.key, "release", &error),
        }
    }

    /// There is no value any more: gives the lease back, and with it the value that a refresh found.
    async fn withdraw(&mut self) {
        if !matches!(self.outcome, Outcome::Refreshed | Outcome::Revalidated) {
            return self.release(Duration::ZERO).await;
        }
        let Hold::Held(lease) = &mut self.hold else { return };
        let Call { cache, budget, request, .. } = &mut *self.call;
        let engine = cache.engine();
        let remove = pin!(engine.backend.remove(&request.key));
        match engine.step(budget, "remove", &request.key, remove).await {
            Ok(()) => lease.settle(),
            Err(error) => engine.step_failed(request.site, &request.key, "remove", &error),
        }
    }
}

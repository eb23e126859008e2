//! One call: what it has seen, and what it does next.

use std::sync::Arc;
use std::time::Duration;

use super::flight::{Arrival, Caller, Enter, Group, Moment, Patience, Reach, Seat};
use super::kind::Shared;
use super::lead::{Hold, Run};
use super::load::Reply;
use super::sight::{Found, Seen};
use super::{Engine, Request};
use crate::cache::CacheRef;
use crate::clock::{self, Instant, Timestamp};
use crate::codec::Shape;
use crate::entry::{Expected, Header, Token};
use crate::error::Error;
use crate::key;
use crate::policy::Failing;
use crate::report::{CallReport, Outcome};
use crate::scope::{self, Mode};
use crate::site::Site;
use crate::store::{Budget, Take};
use crate::{observe, random, runtime};

/// How often a call begins anew, because a flight it joined came to nothing, before it runs the function by itself.
const MAX_ATTEMPTS: u32 = 12;

/// A call under way. Everything here is the same for every function and type.
#[expect(clippy::struct_excessive_bools, reason = "facts learned one by one, none of which excludes another")]
pub(crate) struct Call {
    pub(crate) cache: CacheRef,
    pub(crate) request: Request,
    pub(crate) given: Given,
    /// The key again, once something outlives the call.
    pub(super) shared_key: Option<Arc<str>>,
    pub(super) expected: Expected,
    pub(super) budget: Budget,
    pub(super) mode: Mode,
    /// When the call began to be more than a look.
    pub(super) entered: Option<Instant>,
    pub(super) at: Moment,
    pub(super) group: Group,
    pub(super) attempts: u32,
    /// The lease, or the generation of a WRITE, that the last look showed.
    pub(super) saw: Option<Token>,
    /// What the token was seen on.
    pub(super) seen: Seen,
    /// The lease or WRITE of which the store said that it stands.
    pub(super) confirmed: Option<Token>,
    /// What the lease may displace.
    pub(super) take: Take,
    /// The last look showed a string that this library did not write: it is left alone, and no lease is asked for.
    pub(super) foreign: bool,
    /// This call waited for another process in vain.
    pub(super) followed: bool,
    /// This call waits on past its time-out: it has nothing else to answer with.
    pub(super) patient: bool,
    /// A value past its freshness, for the case that the function fails.
    pub(super) fallback: Option<Found>,
    /// An entry turned out to be unusable: there is no need to look again.
    pub(super) looked: bool,
    /// Whether this call asks the store; once a step has failed, it asks it for nothing more.
    pub(super) reach: Reach,
    /// This call has left a run for which it had waited up to its limit.
    pub(super) outwaited: bool,
}

/// What a function says itself, of what a cache has defaults for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Given {
    pub(crate) ttl: Option<Duration>,
    pub(crate) jitter: Option<f64>,
    pub(crate) shape: Option<Shape>,
}

/// What a call does next.
pub(crate) enum Step {
    /// Decode this entry and serve it.
    Decode(Found),
    /// Wait for another caller's run.
    Wait(Seat),
    /// Serve the `None` that another caller's run returned.
    Absent,
    /// Serve the error that another caller's run returned.
    Share(Shared),
    /// Answer without the function, which takes longer than the caller waits.
    Late,
    /// Run the function.
    Load(Run),
    /// Fail with the cache's error: only where the function asked for that.
    Refuse(Error),
}

/// A call has its answer.
pub(super) fn ended(site: &'static Site, key: &str, outcome: Outcome, served: Option<(Header, &Engine)>, stored: bool) {
    observe::outcome(site, key, outcome, || served.map(|(header, engine)| header.age(engine.backend.now(key))));
    scope::record(|| {
        let served = served.map(|(header, engine)| (header, engine.backend.now(key)));
        CallReport {
            function: site.function,
            key: key.to_owned(),
            outcome,
            fresh_for: served.map(|(header, now)| header.fresh_until.since(now)),
            stale_for: served.map(|(header, now)| now.since(header.fresh_until)),
            age: served.map(|(header, now)| header.age(now)),
            stored,
        }
    });
}

impl Call {
    /// A call whose cache is not looked at yet: the current one is that of when the call begins, and a function that
    /// returns its future is called before that.
    pub(crate) fn new(cache: CacheRef, request: Request) -> Self {
        Self {
            given: Given::default(),
            shared_key: None,
            expected: Expected::default(),
            budget: Budget::new(Duration::ZERO),
            mode: Mode::default(),
            entered: None,
            at: Moment::default(),
            group: Group::default(),
            attempts: 0,
            saw: None,
            seen: Seen::default(),
            confirmed: None,
            take: Take::Missing,
            foreign: false,
            followed: false,
            patient: false,
            fallback: None,
            looked: false,
            reach: Reach::Asks,
            outwaited: false,
            request,
            cache,
        }
    }

    /// The call arrives: what is invalidated from now on, it may be served.
    pub(crate) fn begin(&mut self, expected: Expected, has_error: bool) {
        let engine = self.cache.engine();
        self.budget = Budget::new(engine.deadline);
        self.at = engine.flights.now();
        self.expected = expected;
        if has_error && self.request.failing == Failing::Run {
            self.request.failing = Failing::Refuse;
        }
    }

    /// The request alone, for what is no call.
    pub(crate) fn into_parts(mut self) -> (CacheRef, Request) {
        self.complete();
        (self.cache, self.request)
    }

    /// Nothing is added to the request any more, and its cache is known from now on: what the function leaves open is as
    /// that has it, and the key is whole.
    pub(crate) fn complete(&mut self) {
        self.mode = self.cache.resolve();
        let shared = self.cache.get().shared();
        self.request.ttl = self.given.ttl.unwrap_or(shared.ttl);
        self.request.jitter = self.given.jitter.unwrap_or(shared.jitter);
        self.request.shape = self.given.shape.unwrap_or(shared.shape);
        shared.is_used_by(self.request.site);
        self.request.key.insert_str(0, &shared.prefix);
        self.request.key = key::finish(std::mem::take(&mut self.request.key));
    }

    /// Finds out what to do next. What only some of the calls need is boxed: thousands may wait in here.
    /// A cache that fails is an answer where the function refuses to do without.
    pub(crate) async fn next(&mut self) -> Step {
        let step = self.choose().await;
        self.in_turn(step).await
    }

    async fn choose(&mut self) -> Step {
        match self.mode {
            Mode::Bypass => return Self::alone(Outcome::Bypassed),
            Mode::Refresh if self.is_inside_itself() || !self.is_in_runtime() => {
                return Self::alone(Outcome::Bypassed);
            }
            Mode::Refresh => return Box::pin(self.refresh()).await,
            Mode::Cached => {}
        }
        if self.attempts == MAX_ATTEMPTS {
            observe::gave_up(self.request.site, &self.request.key);
            return Self::alone(self.miss());
        }
        self.attempts += 1;
        if !std::mem::take(&mut self.looked) && self.reach == Reach::Asks {
            let entry = Box::pin(self.look()).await;
            if let Some(step) = self.notes(entry) {
                return step;
            }
        }
        if let Some(found) = self.copy() {
            return Step::Decode(found);
        }
        if self.is_inside_itself() {
            return Self::alone(Outcome::Bypassed);
        }
        if !self.is_in_runtime() {
            return Self::alone(Outcome::Degraded);
        }
        let (caller, key) = (self.caller(), Arc::clone(self.shared_key()));
        match self.cache.engine().flights.enter(&key, caller) {
            Enter::Lead(lead) => Box::pin(self.lead(lead)).await,
            Enter::Wait(seat) => Step::Wait(seat),
        }
    }

    /// Whether a cache that fails is the function's error.
    pub(super) fn refuses(&self) -> bool {
        self.request.failing == Failing::Refuse
    }

    /// Now, on the clock of the server that has the key.
    pub(super) fn now(&self) -> Timestamp {
        self.cache.engine().backend.now(&self.request.key)
    }

    pub(super) fn arrival(&self) -> Arrival {
        Arrival { at: self.at, saw: self.saw, reach: self.reach }
    }

    fn caller(&mut self) -> Caller {
        Caller { group: self.group, arrival: self.arrival(), patience: self.patience() }
    }

    /// How long the call waits for others.
    pub(super) fn patience(&mut self) -> Patience {
        let (limit, lateness) = (self.request.lock.wait, self.cache.engine().flights.lateness());
        Patience { limit, since: self.entered(), lateness }
    }

    /// Runs the function for this caller.
    pub(super) fn alone(outcome: Outcome) -> Step {
        Step::Load(Run { lead: None, hold: Hold::Elsewhere(None), outcome, turn: None })
    }

    /// What running the function counts as.
    pub(super) fn miss(&self) -> Outcome {
        match self.mode {
            _ if self.reach != Reach::Asks => Outcome::Degraded,
            _ if self.foreign => Outcome::Bypassed,
            Mode::Refresh => Outcome::Refreshed,
            _ if self.followed => Outcome::Stolen,
            _ => Outcome::Miss,
        }
    }

    /// Since when the call waits for others, if it does.
    pub(super) fn entered(&mut self) -> Instant {
        *self.entered.get_or_insert_with(clock::now)
    }

    /// When the caller wants an answer, if it set a time.
    pub(super) fn answer_by(&mut self) -> Option<Instant> {
        let timeout = self.request.timeout.filter(|_| !self.patient)?;
        Some(self.entered() + timeout)
    }

    pub(super) fn shared_key(&mut self) -> &Arc<str> {
        self.shared_key.get_or_insert_with(|| Arc::from(&*self.request.key))
    }

    /// Whether the function that loads this key is what makes this call.
    fn is_inside_itself(&self) -> bool {
        scope::leads(self.cache_address(), &self.request.key)
    }

    /// Whether there is a tokio runtime with timers: whatever waits needs them.
    pub(super) fn is_in_runtime(&self) -> bool {
        let Err(error) = runtime::with_timers() else { return true };
        if runtime::current().is_err() {
            observe::no_runtime(self.request.site, &self.request.key);
        } else {
            observe::runtime_of_no_use(self.request.site, &self.request.key, &error);
        }
        false
    }

    pub(super) fn cache_address(&self) -> usize {
        Arc::as_ptr(self.cache.engine()) as usize
    }

    /// Makes the answer of an entry; whether it could be decoded.
    pub(super) fn decodes(&self, found: &Found, answer: &mut dyn Reply) -> bool {
        found.decode(self.request.site, &self.request.key, self.cache.engine(), answer)
    }

    /// The call is served with this entry.
    pub(crate) fn served(&self, found: &Found) {
        self.ended(found.outcome, Some(found.header), false);
    }

    /// The call is served with another caller's `None`.
    pub(crate) fn coalesced_none(&self) {
        self.ended(Outcome::Coalesced, None, false);
    }

    /// The call is served with another caller's error.
    pub(crate) fn coalesced_error(&self) {
        self.ended(Outcome::Coalesced, None, false);
    }

    /// The call fails with the cache.
    pub(crate) fn refused(&self) {
        self.ended(Outcome::Refused, None, false);
    }

    /// The call has its answer.
    pub(super) fn ended(&self, outcome: Outcome, header: Option<Header>, stored: bool) {
        let served = header.map(|header| (header, &**self.cache.engine()));
        ended(self.request.site, &self.request.key, outcome, served, stored);
    }

    /// The lifetime of something stored now for `ttl`; `None` for a TTL of zero.
    pub(super) fn lifetime(&self, ttl: Duration) -> Option<Duration> {
        crate::policy::ttl::lifetime(ttl, self.request.jitter, random::unit())
    }
}

//! One call: what it has seen, and what it does next.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use super::kind::Shared;
use super::lease::Lease;
use super::load::Reply;
use super::single_flight::{Arrival, Enter, Evidence, Group, Landing, Lead, Moment, Patience, Seat};
use super::wait::Followed;
use super::{Engine, Request};
use crate::cache::CacheRef;
use crate::clock::{self, Instant, Timestamp};
use crate::codec::Format;
use crate::entry::{self, Expected, Flags, Header, Lookup, Token};
use crate::error::{Error, ErrorKind};
use crate::key;
use crate::policy::freshness::{self, Refresh, Worth};
use crate::policy::{Failing, Others};
use crate::report::{CallReport, Outcome};
use crate::scope::{self, Mode};
use crate::site::Site;
use crate::store::{Backend, Budget, LeaseRequest, Leased, Store, Take};
use crate::{observe, random};

/// How often a call begins anew, because a flight it joined came to nothing, before it runs the function by itself.
const MAX_ATTEMPTS: u32 = 12;

/// How often a leader asks for a lease, because what it may displace changes under its hands.
const MAX_LEASE_REQUESTS: u32 = 4;

/// A call under way. Everything here is the same for every function and type.
#[expect(clippy::struct_excessive_bools, reason = "facts learned one by one, none of which excludes another")]
pub(crate) struct Call {
    pub(crate) cache: CacheRef,
    pub(crate) request: Request,
    /// The key again, once something outlives the call.
    shared_key: Option<Arc<str>>,
    pub(super) expected: Expected,
    pub(super) budget: Budget,
    mode: Mode,
    /// When the call began to be more than a look.
    entered: Option<Instant>,
    at: Moment,
    group: Group,
    attempts: u32,
    /// The lease that the last look showed.
    pub(super) saw: Option<Token>,
    /// What the lease may displace.
    take: Take,
    /// This call waited for another process in vain.
    followed: bool,
    /// This call waits on past its time-out: it has nothing else to answer with.
    pub(super) patient: bool,
    /// A value past its freshness, for the case that the function fails.
    pub(super) fallback: Option<Found>,
    /// An entry turned out to be unusable: there is no need to look again.
    looked: bool,
    /// The store failed: this call asks it for nothing more.
    pub(super) blind: bool,
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

/// How the function is run.
pub(crate) struct Run {
    /// The flight that waits for it.
    pub(super) lead: Option<Lead>,
    pub(super) hold: Hold,
    pub(super) outcome: Outcome,
    /// Its turn, where the cache bounds how many run.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

/// An entry to serve.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) bytes: Bytes,
    pub(super) header: Header,
    pub(super) outcome: Outcome,
    /// Whether it is loaded anew besides.
    pub(super) refresh: Refresh,
}

impl Found {
    /// Makes the answer of it; whether it could be decoded.
    pub(super) fn decode(&self, site: &Site, key: &str, engine: &Engine, answer: &mut dyn Reply) -> bool {
        let decoded = entry::payload(&self.bytes, &self.header, &engine.sizes).and_then(|payload| {
            if self.header.flags.has(Flags::NONE) {
                Ok(answer.none())
            } else if self.header.flags.has(Flags::FAILURE) {
                answer.decode_failure(engine.format, &payload)
            } else {
                answer.decode(engine.format, &payload).map(|()| true)
            }
        });
        if let Err(error) = &decoded {
            // Without the cause: what serde says of a value can contain it.
            observe::unusable(site, key, &error.to_string());
        }
        decoded.unwrap_or(false)
    }
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
    pub(crate) fn new(cache: CacheRef, request: Request) -> Self {
        let engine = cache.engine();
        Self {
            shared_key: None,
            expected: Expected::default(),
            budget: Budget::new(engine.deadline),
            mode: Mode::default(),
            entered: None,
            at: engine.flights.now(),
            group: Group::default(),
            attempts: 0,
            saw: None,
            take: Take::Missing,
            followed: false,
            patient: false,
            fallback: None,
            looked: false,
            blind: false,
            request,
            cache,
        }
    }

    /// Nothing is added to the request any more, and the call arrives: what is invalidated from now on, it may be served.
    pub(crate) fn begin(&mut self, expected: Expected, has_error: bool) {
        self.complete();
        let shared = self.cache.get().shared();
        self.mode = if shared.enabled { scope::mode() } else { Mode::Bypass };
        self.at = shared.engine.flights.now();
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

    /// Nothing is added to the key any more: it is cut to length.
    fn complete(&mut self) {
        self.request.key = key::finish(std::mem::take(&mut self.request.key));
    }

    pub(crate) fn format(&self) -> Format {
        self.cache.engine().format
    }

    /// Finds out what to do next. What only some of the calls need is boxed: thousands may wait in here.
    /// A cache that fails is an answer where the function refuses to do without.
    pub(crate) async fn next(&mut self) -> Step {
        let step = self.choose().await;
        self.in_turn(step).await
    }

    /// The step, once it is its turn.
    async fn in_turn(&mut self, step: Step) -> Step {
        match step {
            Step::Load(run) if self.blind => Box::pin(self.takes_turn(run)).await,
            step => step,
        }
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
        if !std::mem::take(&mut self.looked) && !self.blind {
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
        self.entered();
        let (group, arrival, key) = (self.group, self.arrival(), Arc::clone(self.shared_key()));
        match self.cache.engine().flights.enter(&key, group, arrival) {
            Enter::Lead(lead) => Box::pin(self.lead(lead)).await,
            Enter::Wait(seat) => Step::Wait(seat),
        }
    }

    /// Looks into a store of this process, where there is nothing to wait for; `Some` is a value to serve.
    pub(crate) fn look_here(&mut self) -> Option<Found> {
        let Backend::Memory(memory) = &self.cache.engine().backend else { return None };
        let entry = (self.mode == Mode::Cached).then(|| memory.value(&self.request.key))??;
        let found = self.sight(Some(entry), Outcome::Hit);
        self.looked = found.is_none();
        found
    }

    /// Whether a call begins with a look into the store.
    pub(crate) fn looks(&self) -> bool {
        self.mode == Mode::Cached && !self.looked
    }

    /// Asks the store.
    pub(crate) async fn look(&mut self) -> Result<Option<Bytes>, Error> {
        let engine = self.cache.engine();
        if let Some(error) = engine.server(&self.request.key).refuses() {
            return Err(error);
        }
        if engine.owed.is_owed(&self.request.key) {
            Box::pin(engine.pay(&mut self.budget, &self.request.key)).await?;
        }
        let get = pin!(engine.backend.get(&self.request.key));
        engine.step(&mut self.budget, "get", &self.request.key, get).await
    }

    /// Takes note of what the first look came to; there is no need for another.
    pub(crate) fn looked(&mut self, entry: Result<Option<Bytes>, Error>) -> Option<Step> {
        self.looked = true;
        self.notes(entry)
    }

    /// Takes note of what a look came to; `None` where there is nothing to serve.
    fn notes(&mut self, entry: Result<Option<Bytes>, Error>) -> Option<Step> {
        match entry {
            Ok(entry) => self.sight(entry, Outcome::Hit).map(Step::Decode),
            Err(error) if self.refuses() => Some(Step::Refuse(error)),
            Err(error) => {
                self.goes_blind("get", &error);
                None
            }
        }
    }

    /// Takes note of what is at the key; `Some` is a value to serve.
    pub(super) fn sight(&mut self, entry: Option<Bytes>, outcome: Outcome) -> Option<Found> {
        (self.saw, self.take) = (None, Take::Missing);
        let freshness = self.request.freshness;
        let (engine, key, expected) = (self.cache.engine(), &self.request.key, self.expected);
        let now = || engine.backend.now(key);
        let lookup = match outcome {
            // What another caller wrote may be too long to store.
            Outcome::Coalesced => entry::classify(entry.as_deref(), key, expected, now),
            _ => engine.classify(entry.as_deref(), key, expected),
        };
        match (lookup, entry) {
            (Lookup::Fresh(header) | Lookup::Stale(header), Some(bytes)) if !engine.owed.trusts(&header) => {
                self.take = Take::Unusable(Bytes::copy_from_slice(entry::head(&bytes)));
            }
            (Lookup::Fresh(header), Some(bytes)) => match freshness.of_fresh(&header, now, random::unit) {
                Worth::Serve(refresh) => return Some(Found { bytes, header, outcome, refresh }),
                Worth::Fallback | Worth::Expired => {}
            },
            (Lookup::Stale(header), Some(bytes)) => return self.sight_stale(header, &bytes),
            (Lookup::Pending(token), _) => self.saw = Some(token),
            (Lookup::Unusable(why), Some(bytes)) => {
                observe::unusable(self.request.site, &self.request.key, why);
                self.take = Take::Unusable(Bytes::copy_from_slice(entry::head(&bytes)));
            }
            _ => {}
        }
        None
    }

    /// Takes note of a value past its freshness; `Some` when it is served all the same.
    fn sight_stale(&mut self, header: Header, bytes: &Bytes) -> Option<Found> {
        let now = self.now();
        let found = |refresh| Found { bytes: bytes.clone(), header, outcome: Outcome::Stale, refresh };
        match self.request.freshness.of_stale(&header, now) {
            Worth::Serve(refresh) => return Some(found(refresh)),
            Worth::Fallback => self.fallback = Some(found(Refresh::No)),
            Worth::Expired => {}
        }
        if freshness::is_leased(&header, now) && !header.flags.has(Flags::HELD_OFF) {
            self.saw = Some(header.token);
        } else {
            self.take = Take::Refresh(Bytes::copy_from_slice(entry::head(bytes)));
        }
        None
    }

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

    /// Leads a flight: takes the lease, or the value that came meanwhile, or waits for the process that has the lease.
    async fn lead(&mut self, lead: Lead) -> Step {
        for _ in 0..MAX_LEASE_REQUESTS {
            if self.blind || !self.group.takes_lease() {
                break;
            }
            if self.saw.is_some() {
                if self.request.lock.others == Others::Run {
                    break;
                }
                match self.follow().await {
                    Followed::Found(found, since) => return Self::land(&lead, found, since),
                    Followed::Gone => self.followed = true,
                    Followed::Late => return Step::Late,
                    Followed::Limit => break,
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
                    if let Some(found) = self.sight(Some(entry), Outcome::Hit) {
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
    async fn refresh(&mut self) -> Step {
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

    fn goes_blind(&mut self, step: &'static str, error: &Error) {
        self.blind = true;
        self.saw = None;
        let engine = self.cache.engine();
        engine.outage.degrades();
        if error.kind() == ErrorKind::BreakerOpen {
            engine.probed(&self.request.key);
            observe::shut_out(self.request.site, &self.request.key);
        } else {
            observe::failed(self.request.site, &self.request.key, step, error);
        }
    }

    /// A value that was loaded while the store is down.
    fn copy(&mut self) -> Option<Found> {
        let copy = self.blind.then(|| self.cache.engine().copy(&self.request.key))??;
        self.sight(Some(copy), Outcome::Hit)
    }

    /// Waits for the function's turn, where the cache bounds how many run while its store is down.
    async fn takes_turn(&mut self, mut run: Run) -> Step {
        let Some(turns) = self.cache.engine().outage.turns.clone() else { return Step::Load(run) };
        if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            run.turn = Some(turn);
            return Step::Load(run);
        }
        observe::queues(self.request.site, &self.request.key);
        let limit = self.entered() + self.request.lock.wait;
        let until = self.answer_by().map_or(limit, |by| by.min(limit));
        match timeout_at(until, turns.acquire_owned()).await {
            Ok(turn) => run.turn = turn.ok(),
            Err(_) if until < limit => return Step::Late,
            Err(_) if self.request.failing == Failing::Shed => {
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

    /// Whether a cache that fails is the function's error.
    fn refuses(&self) -> bool {
        self.request.failing == Failing::Refuse
    }

    /// Now, on the clock of the server that has the key.
    pub(super) fn now(&self) -> Timestamp {
        self.cache.engine().backend.now(&self.request.key)
    }

    fn arrival(&self) -> Arrival {
        Arrival { at: self.at, saw: self.saw, blind: self.blind }
    }

    /// Runs the function for a flight.
    fn leading(&self, lead: Lead, hold: Hold) -> Step {
        Step::Load(Run { lead: Some(lead), hold, outcome: self.miss(), turn: None })
    }

    /// Runs the function for this caller.
    fn alone(outcome: Outcome) -> Step {
        Step::Load(Run { lead: None, hold: Hold::Elsewhere(None), outcome, turn: None })
    }

    /// What running the function counts as.
    fn miss(&self) -> Outcome {
        match self.mode {
            _ if self.blind => Outcome::Degraded,
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

    /// Whether there is a tokio runtime: whatever waits needs its timers.
    fn is_in_runtime(&self) -> bool {
        let found = tokio::runtime::Handle::try_current().is_ok();
        if !found {
            observe::no_runtime(self.request.site, &self.request.key);
        }
        found
    }

    pub(super) fn cache_address(&self) -> usize {
        Arc::as_ptr(self.cache.engine()) as usize
    }

    /// Makes the answer of an entry; whether it could be decoded.
    pub(super) fn decodes(&self, found: &Found, answer: &mut dyn Reply) -> bool {
        found.decode(self.request.site, &self.request.key, self.cache.engine(), answer)
    }

    /// An entry could not be decoded: it is displaced.
    pub(crate) fn cannot_use(&mut self, found: &Found) {
        (self.saw, self.looked) = (None, true);
        self.take = Take::Unusable(Bytes::copy_from_slice(entry::head(&found.bytes)));
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

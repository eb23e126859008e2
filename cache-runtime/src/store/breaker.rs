//! The breaker of one server: a healthy one costs a flag that nobody writes; the first failure begins a count; the count
//! opens the breaker; whoever holds the store probes it.
//!
//! A server that answers and refuses to write (out of memory, a replica, a user without the right) is not down: reads go on.
//! That it refuses is noted here as well, for its health.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Claim;
use crate::clock::{self, Instant};
use crate::error::{Error, ErrorKind};
use crate::health::{Server, State};
use crate::policy::breaker::{RAMP, Tally, Verdict, admits};
use crate::{observe, random};

/// Whether a server is asked.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// The server, as people know it.
    name: String,
    state: AtomicU8,
    /// Whether it matters that a step is answered: steps are counted, or the server refuses writes.
    attentive: AtomicBool,
    inner: Mutex<Inner>,
    /// Who probes the server.
    pub(crate) probing: Claim,
}

/// How long after the last write that was refused a server counts as writing again, once one succeeds: a server at the limit
/// of its memory refuses one write and takes the next. Raising it makes fewer events of that, and says later that it is over.
const SETTLED: Duration = Duration::from_secs(1);

/// That a server refuses writes.
#[derive(Debug)]
struct Refusal {
    /// The step that was refused: another one may be allowed, and says nothing.
    step: &'static str,
    why: String,
    last: Instant,
}

#[derive(Debug)]
struct Inner {
    /// The steps since the first failure, while they are counted.
    tally: Option<Tally>,
    refusal: Option<Refusal>,
    /// Since when the state is what it is.
    since: Instant,
    /// Why the server was given up.
    why: String,
}

impl Breaker {
    pub(crate) fn new(name: String) -> Self {
        let now = clock::now();
        Self {
            name,
            state: AtomicU8::new(State::Up as u8),
            attentive: AtomicBool::new(false),
            inner: Mutex::new(Inner { tally: None, refusal: None, since: now, why: String::new() }),
            probing: Claim::default(),
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            state if state == State::Up as u8 => State::Up,
            state if state == State::Recovering as u8 => State::Recovering,
            _ => State::Down,
        }
    }

    /// Whether a step is not to be tried.
    pub(crate) fn is_shut(&self) -> bool {
        self.state() == State::Down
    }

    /// Why a call goes without the server, where it does: it is down, or back for so short that it does not get all calls
    /// yet.
    pub(crate) fn refuses(&self) -> Option<Error> {
        match self.state() {
            State::Up | State::NotContacted | State::Misconfigured => None,
            State::Down => Some(self.shut()),
            State::Recovering => {
                let back_for = self.back_for(&mut self.lock())?;
                (!admits(back_for, random::unit()))
                    .then(|| Error::new(ErrorKind::BreakerOpen, format!("{} is just back", self.name)))
            }
        }
    }

    /// For how long the server is back, until it is up.
    fn back_for(&self, inner: &mut Inner) -> Option<Duration> {
        if self.state() != State::Recovering {
            return None;
        }
        let back_for = clock::now().saturating_duration_since(inner.since);
        if back_for >= RAMP {
            self.turn(inner, State::Up);
            observe::store_up(&self.name);
            return None;
        }
        Some(back_for)
    }

    /// The error of a step that is not tried.
    pub(crate) fn shut(&self) -> Error {
        let context = format!("{} is not asked since it failed: {}", self.name, self.lock().why);
        Error::new(ErrorKind::BreakerOpen, context)
    }

    fn turn(&self, inner: &mut Inner, state: State) {
        (inner.since, inner.tally) = (clock::now(), None);
        if state == State::Down {
            inner.refusal = None;
        }
        self.attend(inner);
        self.state.store(state as u8, Ordering::Release);
    }

    fn attend(&self, inner: &Inner) {
        self.attentive.store(inner.tally.is_some() || inner.refusal.is_some(), Ordering::Relaxed);
    }

    /// This step got an answer.
    pub(crate) fn answered(&self, step: &str) {
        if !self.attentive.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        inner.answered(clock::now());
        if inner.refusal.as_ref().is_some_and(|refusal| refusal.is_over_after(step, clock::now())) {
            inner.refusal = None;
            observe::store_writes(&self.name);
        }
        self.attend(&inner);
    }

    /// This step, which writes, was refused.
    pub(crate) fn refused(&self, step: &'static str, error: &Error) {
        let (mut inner, now) = (self.lock(), clock::now());
        inner.answered(now);
        match &mut inner.refusal {
            Some(refusal) if refusal.step == step => refusal.last = now,
            Some(_) => {}
            None => {
                let why = error.to_string();
                observe::store_refuses_writes(&self.name, step, &why);
                inner.refusal = Some(Refusal { step, why, last: now });
            }
        }
        self.attend(&inner);
    }

    /// Whether the server answers and refuses writes.
    pub(crate) fn refuses_writes(&self) -> bool {
        self.attentive.load(Ordering::Relaxed) && self.lock().refusal.is_some()
    }

    /// A step failed; whether that was one too many.
    pub(crate) fn failed(&self, error: &Error) -> bool {
        let (mut inner, now) = (self.lock(), clock::now());
        let verdict = inner.tally.get_or_insert_with(|| Tally::new(now)).failed(now);
        self.attend(&inner);
        if verdict == Verdict::Stay || self.is_shut() {
            return false;
        }
        inner.why = error.to_string();
        self.turn(&mut inner, State::Down);
        observe::store_down(&self.name, &inner.why);
        true
    }

    /// A probe was answered.
    pub(crate) fn recovers(&self) {
        self.turn(&mut self.lock(), State::Recovering);
        observe::store_recovering(&self.name);
    }

    /// The server is none of the store's any more.
    pub(crate) fn leaves(&self) {
        self.turn(&mut self.lock(), State::Up);
        observe::server_left(&self.name);
    }

    /// The state, since when, and why the server was given up if it is not up.
    pub(crate) fn condition(&self) -> Server {
        let mut inner = self.lock();
        self.back_for(&mut inner);
        let state = self.state();
        Server {
            name: self.name.clone(),
            state,
            since: clock::now().saturating_duration_since(inner.since),
            why: (state != State::Up).then(|| inner.why.clone()),
            refuses_writes: inner.refusal.as_ref().map(|refusal| refusal.why.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A step got an answer.
    fn answered(&mut self, now: Instant) {
        if let Some(tally) = &mut self.tally {
            tally.succeeded();
            if tally.is_over(now) {
                self.tally = None;
            }
        }
    }
}

impl Refusal {
    /// Whether the server writes again, now that this step was answered.
    fn is_over_after(&self, step: &str, now: Instant) -> bool {
        step == self.step && now.saturating_duration_since(self.last) >= SETTLED
    }
}

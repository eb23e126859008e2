//! The breaker of one server: a healthy one costs a flag that nobody writes; the first failure begins a count; the count
//! opens the breaker; whoever holds the store probes it.

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
    /// Whether steps are counted.
    counting: AtomicBool,
    inner: Mutex<Inner>,
    /// Who probes the server.
    pub(crate) probing: Claim,
}

#[derive(Debug)]
struct Inner {
    tally: Tally,
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
            counting: AtomicBool::new(false),
            inner: Mutex::new(Inner { tally: Tally::new(now), since: now, why: String::new() }),
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
        (inner.since, inner.tally) = (clock::now(), Tally::new(clock::now()));
        self.counting.store(false, Ordering::Relaxed);
        self.state.store(state as u8, Ordering::Release);
    }

    /// A step got an answer.
    pub(crate) fn answered(&self) {
        if !self.counting.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        inner.tally.succeeded();
        if inner.tally.is_over(clock::now()) {
            self.counting.store(false, Ordering::Relaxed);
        }
    }

    /// A step failed; whether that was one too many.
    pub(crate) fn failed(&self, error: &Error) -> bool {
        let mut inner = self.lock();
        if !self.counting.swap(true, Ordering::Relaxed) {
            inner.tally = Tally::new(clock::now());
        }
        if inner.tally.failed(clock::now()) == Verdict::Stay || self.is_shut() {
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
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

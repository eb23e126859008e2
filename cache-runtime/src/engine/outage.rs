//! A store that fails: the breaker before it, what protects the origin meanwhile, and the probes that end it.
//!
//! A healthy store costs nothing here: one flag that nobody writes is read at each step. The first failure begins a count;
//! the count opens the breaker; a task probes the store, and no call of a user does.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::Engine;
use crate::clock::{self, Instant};
use crate::error::{Error, ErrorKind};
use crate::health::State;
use crate::policy::breaker::{RAMP, Tally, Verdict, admits, pause};
use crate::store::{Budget, Memory, Store};
use crate::{observe, random};

/// What a cache does while its store fails.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// How many functions run at once.
    pub(crate) concurrency: Option<usize>,
    /// How long their values are served from this process.
    pub(crate) degraded_ttl: Option<Duration>,
}

/// How many values are kept while the store fails.
const COPIES: u32 = 10_000;

/// The breaker of one store.
pub(crate) struct Outage {
    state: AtomicU8,
    /// Whether steps are counted.
    counting: AtomicBool,
    inner: Mutex<Inner>,
    /// How many calls went without the store.
    degraded: AtomicU64,
    /// Room for functions while the store fails.
    pub(super) turns: Option<Arc<Semaphore>>,
    copies: Option<(Memory, Duration)>,
}

struct Inner {
    tally: Tally,
    /// Since when the state is what it is.
    since: Instant,
    /// Why the store was given up.
    why: String,
    /// What to probe with.
    key: String,
    probing: bool,
}

impl Outage {
    pub(super) fn new(plan: Plan) -> Self {
        let now = clock::now();
        Self {
            state: AtomicU8::new(State::Up as u8),
            counting: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                tally: Tally::new(now),
                since: now,
                why: String::new(),
                key: String::new(),
                probing: false,
            }),
            degraded: AtomicU64::new(0),
            turns: plan.concurrency.map(|count| Arc::new(Semaphore::new(count))),
            copies: plan.degraded_ttl.map(|ttl| (Memory::entries(COPIES), ttl)),
        }
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            state if state == State::Up as u8 => State::Up,
            state if state == State::Recovering as u8 => State::Recovering,
            _ => State::Down,
        }
    }

    /// Whether a step is to be tried.
    pub(super) fn is_shut(&self) -> bool {
        self.state() == State::Down
    }

    /// Why a call goes without the store, where it does: the store is down, or back for so short that it does not get all
    /// calls yet.
    pub(super) fn refuses(&self) -> Option<Error> {
        match self.state() {
            State::Up => None,
            State::Down => Some(self.shut()),
            State::Recovering => {
                let mut inner = self.lock();
                let back_for = clock::now().saturating_duration_since(inner.since);
                if back_for >= RAMP {
                    self.turn(&mut inner, State::Up);
                    observe::store_up();
                    return None;
                }
                (!admits(back_for, random::unit()))
                    .then(|| Error::new(ErrorKind::BreakerOpen, "the store is just back"))
            }
        }
    }

    /// The error of a step that is not tried.
    pub(super) fn shut(&self) -> Error {
        Error::new(ErrorKind::BreakerOpen, format!("the store is not asked since it failed: {}", self.lock().why))
    }

    fn turn(&self, inner: &mut Inner, state: State) {
        (inner.since, inner.tally) = (clock::now(), Tally::new(clock::now()));
        self.counting.store(false, Ordering::Relaxed);
        self.state.store(state as u8, Ordering::Release);
    }

    /// A step got an answer.
    pub(super) fn answered(&self) {
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
    pub(super) fn failed(&self, error: &Error) -> bool {
        let mut inner = self.lock();
        if !self.counting.swap(true, Ordering::Relaxed) {
            inner.tally = Tally::new(clock::now());
        }
        if inner.tally.failed(clock::now()) == Verdict::Stay || self.is_shut() {
            return false;
        }
        inner.why = error.to_string();
        self.turn(&mut inner, State::Down);
        observe::store_down(&inner.why);
        true
    }

    /// A call goes without the store, for this key.
    pub(super) fn degrades(&self, key: &str) {
        self.degraded.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.lock();
        if inner.key != key {
            key.clone_into(&mut inner.key);
        }
    }

    /// What was loaded for this key while the store is down.
    pub(super) fn copy(&self, key: &str) -> Option<Bytes> {
        let (copies, _) = self.copies.as_ref().filter(|_| self.is_shut())?;
        copies.value(key)
    }

    /// Whether what is loaded now is kept.
    pub(super) fn wants_copies(&self) -> bool {
        self.copies.is_some() && self.is_shut()
    }

    /// Keeps an entry while the store is down.
    pub(super) fn keep(&self, key: &str, entry: Bytes) {
        if let Some((copies, ttl)) = self.copies.as_ref().filter(|_| self.is_shut()) {
            copies.insert(key, entry, *ttl);
        }
    }

    /// Forgets the copy of a key.
    pub(super) fn forget(&self, key: &str) {
        if let Some((copies, _)) = &self.copies {
            copies.forget(key);
        }
    }

    /// The state, since when, and why the store was given up if it is not up.
    pub(super) fn condition(&self) -> (State, Duration, Option<String>) {
        let state = self.state();
        let inner = self.lock();
        let since = clock::now().saturating_duration_since(inner.since);
        (state, since, (state != State::Up).then(|| inner.why.clone()))
    }

    pub(super) fn degraded(&self) -> u64 {
        self.degraded.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Sees to it that somebody probes a store that is down. A prober goes with its runtime, so every call without the
    /// store asks.
    pub(super) fn probed(&self) {
        let mut inner = self.outage.lock();
        let Ok(runtime) = Handle::try_current() else { return };
        if inner.probing || !self.outage.is_shut() {
            return;
        }
        inner.probing = true;
        let key = inner.key.clone();
        drop(inner);
        runtime.spawn(probe(Prober(Weak::clone(&self.this)), key));
    }

    async fn is_back(&self, key: &str) -> bool {
        let get = std::pin::pin!(self.backend.get(key));
        let answer = Budget::new(self.deadline).step("probe", get, || self.backend.timed_out()).await;
        // A server that refuses is there. One that is loading, or has lost its primary, counts as away.
        answer.map_or_else(|error| error.kind() == ErrorKind::Rejected, |_| true)
    }

    /// The store answers again: what was kept meanwhile is forgotten before anything is read from it.
    fn recovers(&self) {
        if let Some((copies, _)) = &self.outage.copies {
            copies.clear();
        }
        let mut inner = self.outage.lock();
        self.outage.turn(&mut inner, State::Recovering);
        observe::store_recovering();
    }
}

/// A task that probes; gone, another one may.
struct Prober(Weak<Engine>);

impl Drop for Prober {
    fn drop(&mut self) {
        if let Some(engine) = self.0.upgrade() {
            engine.outage.lock().probing = false;
        }
    }
}

async fn probe(prober: Prober, key: String) {
    for attempt in 0.. {
        tokio::time::sleep(pause(attempt, random::unit())).await;
        let Some(engine) = prober.0.upgrade() else { return };
        if engine.is_back(&key).await {
            return engine.recovers();
        }
    }
}

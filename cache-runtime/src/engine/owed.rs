//! Invalidations that failed: owed to the store until they get through. What is owed is not served from this process, and
//! is repeated before any read of its key is trusted.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::Engine;
use super::outage::Asked;
use crate::clock::Timestamp;
use crate::entry::Header;
use crate::error::{Error, ErrorKind};
use crate::policy::breaker::pause;
use crate::store::{Budget, Claim, Store};
use crate::{observe, random, runtime};

/// How many keys are remembered. Past that no key of the cache is trusted that was stored before: a process that cannot
/// invalidate ten thousand keys has other worries than a few reloads.
const MOST: usize = 10_000;

/// How much later a fill can store that was under way when an invalidation failed: the longest that a default lease is
/// renewed.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// The invalidations that a cache owes.
#[derive(Default)]
pub(crate) struct Owed {
    any: AtomicBool,
    inner: Mutex<Inner>,
    /// Who repeats what is owed.
    repeating: Claim,
    /// Nothing stored before this is trusted, in ticks.
    distrusted: AtomicU64,
}

/// Which failure of which key. A removal pays what was owed when it was sent: it may have happened before the write that
/// came to be owed while its answer was on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Debt(u64);

#[derive(Default)]
struct Inner {
    keys: HashMap<Arc<str>, Debt>,
    debts: u64,
    last_error: Option<String>,
}

impl Owed {
    fn owe(&self, key: &str, error: &Error, now: Timestamp) {
        let mut inner = self.lock();
        inner.last_error = Some(error.to_string());
        if inner.keys.len() < MOST || inner.keys.contains_key(key) {
            inner.debts += 1;
            let debt = Debt(inner.debts);
            inner.keys.insert(key.into(), debt);
        } else {
            // The nodes of a cluster have clocks of their own.
            self.distrusted.fetch_max(now.after(UNDER_WAY).ticks(), Ordering::AcqRel);
            observe::distrusts(MOST);
        }
        self.any.store(true, Ordering::Release);
    }

    /// Whether the invalidation of this key is owed.
    pub(super) fn is_owed(&self, key: &str) -> bool {
        self.debt(key).is_some()
    }

    /// What is owed for this key.
    pub(super) fn debt(&self, key: &str) -> Option<Debt> {
        if self.any.load(Ordering::Acquire) { self.lock().keys.get(key).copied() } else { None }
    }

    /// Whether an entry may be used: it was stored after all that could not be remembered.
    pub(super) fn trusts(&self, header: &Header) -> bool {
        let distrusted = self.distrusted.load(Ordering::Acquire);
        distrusted == 0 || header.stored() > Timestamp::from_ticks(distrusted)
    }

    /// An invalidation of this key got through; that was owed when it was sent.
    pub(super) fn paid(&self, key: &str, debt: Option<Debt>) {
        if debt.is_some() {
            let mut inner = self.lock();
            if inner.keys.get(key).copied() == debt {
                inner.keys.remove(key);
            }
            if inner.keys.is_empty() {
                inner.last_error = None;
                self.any.store(false, Ordering::Release);
            }
        }
    }

    /// How many are owed, and why the last try failed.
    pub(super) fn count(&self) -> (usize, Option<String>) {
        let inner = self.lock();
        (inner.keys.len(), inner.last_error.clone())
    }

    /// Whether nothing is owed. Then nobody repeats any more: who owes something from now on, and waits for this lock, starts
    /// another.
    fn is_over(&self) -> bool {
        let inner = self.lock();
        if inner.keys.is_empty() {
            self.repeating.give_up();
        }
        inner.keys.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// An invalidation failed.
    pub(super) fn owes(&self, key: &str, error: &Error) {
        self.owed.owe(key, error, self.backend.now(key));
        self.repeats();
    }

    /// Repeats an invalidation that is owed, before its key is read.
    pub(super) async fn pay(&self, budget: &mut Budget, key: &str) -> Result<(), Error> {
        // A repeater goes with its runtime: whoever meets what it left starts another.
        self.repeats();
        let debt = self.owed.debt(key);
        self.step(budget, "remove", key, pin!(self.backend.remove(key))).await?;
        self.owed.paid(key, debt);
        Ok(())
    }

    /// Repeats all that is owed, but of each server only up to the first that is not answered.
    async fn repeat_all(&self) {
        let keys: Vec<_> = self.owed.lock().keys.iter().map(|(key, debt)| (Arc::clone(key), *debt)).collect();
        let mut failing: Vec<Asked<'_>> = Vec::new();
        for (key, debt) in keys {
            let server = self.server(&key);
            if failing.iter().any(|failed| failed.is_same(&server)) {
                continue;
            }
            self.owed.repeating.renew(self.deadline);
            let remove = pin!(self.backend.remove(&key));
            match self.step(&mut Budget::new(self.deadline), "remove", &key, remove).await {
                Ok(()) => {
                    self.owed.paid(&key, Some(debt));
                    observe::owed_invalidated(&key);
                }
                Err(error) => {
                    self.owed.lock().last_error = Some(error.to_string());
                    // One key that is refused says nothing of the others.
                    if error.kind() != ErrorKind::Rejected {
                        failing.push(server);
                    }
                }
            }
        }
    }

    /// Sees to it that what is owed is repeated.
    fn repeats(&self) {
        let Ok(runtime) = runtime::with_timers() else { return };
        if self.owed.repeating.take(Duration::ZERO) {
            runtime.spawn(repeat(Repeater(Weak::clone(&self.this))));
        }
    }
}

/// A task that repeats; gone, another one may.
struct Repeater(Weak<Engine>);

impl Repeater {
    /// It is known that it repeats no more: there may be another one by now.
    fn leaves(mut self) {
        self.0 = Weak::new();
    }
}

impl Drop for Repeater {
    fn drop(&mut self) {
        if let Some(engine) = self.0.upgrade() {
            engine.owed.repeating.give_up();
        }
    }
}

async fn repeat(repeater: Repeater) {
    for attempt in 0.. {
        let pause = pause(attempt, random::unit());
        if let Some(engine) = repeater.0.upgrade() {
            engine.owed.repeating.renew(pause);
        }
        tokio::time::sleep(pause).await;
        let Some(engine) = repeater.0.upgrade() else { return };
        engine.repeat_all().await;
        if engine.owed.is_over() {
            return repeater.leaves();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Schema, Token};

    /// The nodes of a cluster have clocks of their own.
    #[test]
    fn what_cannot_be_remembered_counts_by_the_clock_that_is_ahead() {
        let (owed, error) = (Owed::default(), Error::new(ErrorKind::Unavailable, "away"));
        let behind = Timestamp::now();
        let ahead = behind.after(Duration::from_secs(600));
        let stored = |now| {
            let schema = Schema::default();
            Header::value(schema, Token::random(), now, Duration::from_secs(600))
        };
        for key in 0..MOST {
            owed.owe(&key.to_string(), &error, ahead);
        }
        assert!(owed.trusts(&stored(behind)), "all are remembered");
        owed.owe("one more", &error, ahead);
        owed.owe("and another", &error, behind);
        assert!(!owed.trusts(&stored(ahead)));
        assert!(owed.trusts(&stored(ahead.after(2 * UNDER_WAY))));
    }
}

//! Invalidations that failed: owed to the store until they get through. What is owed is not served from this process, and
//! is repeated before any read of its key is trusted.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Engine;
use crate::clock::Timestamp;
use crate::entry::Header;
use crate::error::Error;
use crate::policy::breaker::pause;
use crate::store::{Budget, Store};
use crate::{observe, random};

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
    /// Nothing stored before this is trusted, in ticks.
    distrusted: AtomicU64,
}

#[derive(Default)]
struct Inner {
    keys: HashSet<Arc<str>>,
    last_error: Option<String>,
    repeating: bool,
}

impl Owed {
    fn owe(&self, key: &str, error: &Error, now: Timestamp) {
        let mut inner = self.lock();
        inner.last_error = Some(error.to_string());
        if inner.keys.len() < MOST || inner.keys.contains(key) {
            inner.keys.insert(key.into());
        } else {
            self.distrusted.store(now.after(UNDER_WAY).ticks(), Ordering::Release);
            observe::distrusts(MOST);
        }
        self.any.store(true, Ordering::Release);
    }

    /// Whether the invalidation of this key is owed.
    pub(super) fn is_owed(&self, key: &str) -> bool {
        self.any.load(Ordering::Acquire) && self.lock().keys.contains(key)
    }

    /// Whether an entry may be used: it was stored after all that could not be remembered.
    pub(super) fn trusts(&self, header: &Header) -> bool {
        let distrusted = self.distrusted.load(Ordering::Acquire);
        distrusted == 0 || header.stored() > Timestamp::from_ticks(distrusted)
    }

    /// The invalidation of this key got through.
    pub(super) fn paid(&self, key: &str) {
        if self.any.load(Ordering::Acquire) {
            let mut inner = self.lock();
            inner.keys.remove(key);
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// An invalidation failed.
    pub(super) fn owes(&self, key: &str, error: &Error) {
        self.owed.owe(key, error, self.backend.now());
        self.repeats();
    }

    /// Repeats an invalidation that is owed, before its key is read.
    pub(super) async fn pay(&self, budget: &mut Budget, key: &str) -> Result<(), Error> {
        // A repeater goes with its runtime: whoever meets what it left starts another.
        self.repeats();
        self.step(budget, "remove", pin!(self.backend.remove(key))).await?;
        self.owed.paid(key);
        Ok(())
    }

    /// Sees to it that what is owed is repeated.
    fn repeats(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !std::mem::replace(&mut self.owed.lock().repeating, true) {
            runtime.spawn(repeat(Repeater(Weak::clone(&self.this))));
        }
    }
}

/// A task that repeats; gone, another one may.
struct Repeater(Weak<Engine>);

impl Drop for Repeater {
    fn drop(&mut self) {
        if let Some(engine) = self.0.upgrade() {
            engine.owed.lock().repeating = false;
        }
    }
}

async fn repeat(repeater: Repeater) {
    for attempt in 0.. {
        tokio::time::sleep(pause(attempt, random::unit())).await;
        let Some(engine) = repeater.0.upgrade() else { return };
        let keys: Vec<_> = engine.owed.lock().keys.iter().cloned().collect();
        for key in keys {
            let remove = pin!(engine.backend.remove(&key));
            match engine.step(&mut Budget::new(engine.deadline), "remove", remove).await {
                Ok(()) => {
                    engine.owed.paid(&key);
                    observe::owed_invalidated(&key);
                }
                Err(error) => {
                    engine.owed.lock().last_error = Some(error.to_string());
                    break;
                }
            }
        }
        if engine.owed.lock().keys.is_empty() {
            return;
        }
    }
}

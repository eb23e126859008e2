//! Invalidations that failed and have not got through yet: the pending invalidations of a cache.
//!
//! A pending invalidation is never forgotten. Until it gets through, this process serves nothing that was loaded before it
//! failed, and a background task repeats it.
//!
//! # Why keys up to a bound of bytes, and a sweep past it
//!
//! Keeping the key is the best that can be done: the removal is repeated for exactly this key, before any read of it in
//! this process and by the task in [`retry`](super::retry), and no other key is affected. The key itself is needed, since
//! a hash of it cannot be sent as `UNLINK`. But an outage has no bound, and a process that keeps the keys of an hour of
//! failed invalidations dies of them. So the keys are bounded, by the bytes that they take and not by their number: keys
//! are 5 to 250 bytes long, and it is bytes that a container runs out of.
//!
//! Past the bound nobody knows any more which keys are meant, so it could be any. Two things follow:
//!
//! - **Distrust**, at once and in this process: an entry is used only if it was loaded after the last of these failures.
//!   [`Distrust`] says how that is known. What was loaded since is used as always, so each key is loaded once more at
//!   most, and callers go on sharing runs.
//! - **A sweep**, as soon as the server answers, for all processes: [`sweep`](super::sweep) goes through the keys under
//!   the cache's prefix and removes every entry of this library, leases of fills in flight included. It removes more than
//!   it needs to, which costs loads and no correctness. A failure that comes while a sweep is under way may concern a key
//!   that it has passed, so the sweep is repeated until one has gone through without such a failure. Then everything that
//!   was loaded before is gone, the distrust ends, and nothing is pending.
//!
//! The alternatives are worse. To drop keys silently is to serve old values. To distrust for a fixed time serves them when
//! the time is over, in other processes at once. To write the keys to a file needs a disk, and outlives neither the
//! container nor a second outage. To flush the database takes what belongs to others.

mod distrust;
mod kept;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join;

use self::distrust::Distrust;
use self::kept::Kept;
pub(super) use self::kept::{Failure, Pairs};
use super::Engine;
use super::flight::Moment;
use super::sweep::sweep_all;
use crate::entry::{Header, Token};
use crate::error::Error;
use crate::health::{PendingInvalidations, Sweep};
use crate::observe;
use crate::store::Claim;

/// How many bytes of memory the keys of pending invalidations may take, when nobody says otherwise: that is about 140,000
/// keys of 30 bytes, twenty minutes of a hundred failed invalidations a second, and little beside what a process with a
/// cache has in use. Raising it puts the sweep off, which reads all keys under the prefix, and takes memory in an outage.
pub(crate) const DEFAULT_PENDING_BYTES: usize = 16 << 20;

/// The pending invalidations of a cache.
pub(crate) struct Pending {
    /// Whether keys are kept: all that a call reads while none are.
    any: AtomicBool,
    distrust: Distrust,
    inner: Mutex<Inner>,
    /// Who repeats the removals of the keys that are kept.
    pub(super) retrying: Claim,
    /// Who sweeps.
    pub(super) sweeping: Claim,
}

struct Inner {
    kept: Kept,
    /// How many invalidations failed whose keys could not be kept, since the cache was built.
    unkept: u64,
    /// How many of them sweeps have covered.
    swept: u64,
    sweep: Sweep,
    last_error: Option<String>,
}

impl Inner {
    fn needs_sweep(&self) -> bool {
        self.unkept > self.swept
    }

    fn wants_sweep(&self) -> bool {
        self.needs_sweep() && self.sweep != Sweep::Unsupported
    }

    /// Once nothing is pending, no try has failed any more.
    fn settles(&mut self) {
        if self.kept.is_empty() && !self.needs_sweep() {
            self.last_error = None;
        }
    }
}

/// How many invalidations had failed without their keys being kept when a pass of a sweep began: these it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Covers(u64);

impl Pending {
    /// Nothing is pending; the keys may take so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let (kept, sweep) = (Kept::new(bytes), Sweep::NotNeeded);
        let inner = Inner { kept, unkept: 0, swept: 0, sweep, last_error: None };
        Self {
            any: AtomicBool::new(false),
            distrust: Distrust::default(),
            inner: Mutex::new(inner),
            retrying: Claim::default(),
            sweeping: Claim::default(),
        }
    }

    /// The invalidation of this key failed at this moment. Returns whether its key is kept.
    fn failed(&self, key: &str, error: &Error, now: Moment) -> bool {
        let mut inner = self.lock();
        inner.last_error = Some(error.to_string());
        if inner.kept.insert(key) {
            self.any.store(true, Ordering::Release);
            return true;
        }
        self.distrust.begins(now);
        inner.unkept += 1;
        if inner.sweep == Sweep::NotNeeded {
            inner.sweep = Sweep::Pending;
            let bytes = inner.kept.bound();
            drop(inner);
            observe::pending_past_bound(bytes);
        }
        false
    }

    /// Whether the invalidation of this key is pending.
    pub(super) fn has(&self, key: &str) -> bool {
        self.failure(key).is_some()
    }

    /// The failure that a removal of this key settles if it is sent now and gets through.
    pub(super) fn failure(&self, key: &str) -> Option<Failure> {
        if self.any.load(Ordering::Acquire) { self.lock().kept.get(key) } else { None }
    }

    /// A removal of this key got through; this failure was pending when it was sent. A later failure stays pending: the
    /// removal may have happened before the write that the later one is about.
    pub(super) fn settled(&self, key: &str, failure: Option<Failure>) {
        let Some(failure) = failure else { return };
        let mut inner = self.lock();
        inner.kept.remove(key, failure);
        if inner.kept.is_empty() {
            self.any.store(false, Ordering::Release);
        }
        inner.settles();
    }

    /// Some of the keys that are kept, in order: those after this one.
    pub(super) fn kept_after(&self, key: Option<&str>, count: usize) -> Pairs {
        self.lock().kept.after(key, count)
    }

    /// Another try failed.
    pub(super) fn failed_again(&self, error: &Error) {
        let mut inner = self.lock();
        // It may have got through by another way meanwhile.
        if !inner.kept.is_empty() || inner.needs_sweep() {
            inner.last_error = Some(error.to_string());
        }
    }

    /// Whether no key is kept. Then the task that repeats removals ends: the next failure, which waits for this lock, starts
    /// another one.
    pub(super) fn ends_retrying(&self) -> bool {
        let inner = self.lock();
        if inner.kept.is_empty() {
            self.retrying.give_up();
        }
        inner.kept.is_empty()
    }

    /// Whether a sweep is of no use: there is nothing to sweep, or the store does not support it. Then the task that sweeps
    /// ends, likewise.
    pub(super) fn ends_sweeping(&self) -> bool {
        let inner = self.lock();
        if !inner.wants_sweep() {
            self.sweeping.give_up();
        }
        !inner.wants_sweep()
    }

    /// Whether a sweep is of use.
    pub(super) fn wants_sweep(&self) -> bool {
        self.lock().wants_sweep()
    }

    /// What a pass over all keys covers that begins now.
    pub(super) fn covers(&self) -> Covers {
        Covers(self.lock().unkept)
    }

    /// Sweeping is like that from now on.
    pub(super) fn sweep_is(&self, sweep: Sweep) {
        let mut inner = self.lock();
        if inner.needs_sweep() {
            inner.sweep = sweep;
        }
    }

    /// A pass over all keys has ended at this moment: what it covers is settled. Calls that begin from now on find nothing
    /// any more that was loaded before, if no invalidation failed meanwhile.
    pub(super) fn swept(&self, Covers(unkept): Covers, now: Moment) {
        let mut inner = self.lock();
        let covered = unkept.saturating_sub(inner.swept);
        inner.swept += covered;
        if !inner.needs_sweep() {
            inner.sweep = Sweep::NotNeeded;
            self.distrust.ends(now);
        }
        inner.settles();
        drop(inner);
        if covered > 0 {
            observe::swept(covered);
        }
    }

    /// What is pending, and why the last try failed.
    pub(super) fn state(&self) -> PendingInvalidations {
        let inner = self.lock();
        PendingInvalidations {
            kept: inner.kept.len(),
            unkept: usize::try_from(inner.unkept - inner.swept).unwrap_or(usize::MAX),
            sweep: inner.sweep,
            last_error: inner.last_error.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// The invalidation of this key failed: it is pending from now on.
    pub(super) fn invalidation_failed(&self, key: &str, error: &Error) {
        if self.pending.failed(key, error, self.flights.next()) {
            self.ensure_retrying();
        } else {
            self.ensure_sweeping();
        }
    }

    /// Whether a call that began at this moment may use this entry, which is what the store has at the key.
    pub(super) fn trusts(&self, at: Moment, key: &str, header: &Header) -> bool {
        if self.pending.distrust.is_over(at) {
            return true;
        }
        // The task that sweeps goes with its runtime: whoever finds that it is needed starts another one.
        self.ensure_sweeping();
        self.pending.distrust.trusts(header, self.backend.now(key), self.backend.clock_error(key))
    }

    /// A run of this process that began at this moment has stored its value under this token.
    pub(super) fn loaded(&self, token: Token, since: Moment) {
        self.pending.distrust.loaded(token, since);
    }

    /// Repeats pending invalidations until none is left that can get through.
    pub(crate) async fn send_pending(&self) {
        join(self.retry_all(), sweep_all(&self.this)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::flight::SingleFlight;
    use crate::error::ErrorKind;

    fn away() -> Error {
        Error::new(ErrorKind::Unavailable, "away")
    }

    /// Without room for a single key.
    fn without_room() -> (Pending, SingleFlight) {
        (Pending::new(0), SingleFlight::new(std::time::Duration::from_millis(250)))
    }

    #[test]
    fn a_sweep_covers_the_failures_before_it_and_those_during_it_need_another_one() {
        let (pending, flights) = without_room();
        pending.failed("one", &away(), flights.next());
        let first = pending.covers();
        pending.failed("two", &away(), flights.next());
        pending.swept(first, flights.next());
        let state = pending.state();
        assert_eq!((state.unkept, state.last_error.as_deref()), (1, Some("away")));
        assert!(!pending.distrust.is_over(flights.now()) && !pending.ends_sweeping());
        let second = pending.covers();
        pending.swept(second, flights.next());
        assert_eq!(pending.state(), PendingInvalidations::default());
        assert!(pending.distrust.is_over(flights.now()) && pending.ends_sweeping());
        pending.swept(first, flights.next());
        assert_eq!(pending.state(), PendingInvalidations::default(), "a pass that was overtaken changes nothing");
    }

    /// Its read may have been answered before the sweep came to the key.
    #[test]
    fn a_call_from_before_the_end_of_a_sweep_distrusts_on() {
        let (pending, flights) = without_room();
        pending.failed("one", &away(), flights.next());
        let (covers, before) = (pending.covers(), flights.now());
        pending.swept(covers, flights.next());
        assert!(!pending.distrust.is_over(before) && pending.distrust.is_over(flights.now()));
    }

    #[test]
    fn a_later_failure_of_a_key_is_not_settled_by_an_earlier_removal() {
        let (pending, flights) =
            (Pending::new(DEFAULT_PENDING_BYTES), SingleFlight::new(std::time::Duration::from_millis(250)));
        assert!(pending.failed("k", &away(), flights.next()));
        let first = pending.failure("k");
        assert!(pending.failed("k", &away(), flights.next()));
        pending.settled("k", first);
        assert_eq!(pending.state().kept, 1);
        pending.settled("k", pending.failure("k"));
        assert_eq!(pending.state(), PendingInvalidations::default());
        assert!(pending.ends_retrying() && !pending.has("k"));
    }
}

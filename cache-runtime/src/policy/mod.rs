//! What a call decides, as plain data and pure functions: no I/O, no clock, no random source of its own.

pub(crate) mod breaker;
pub(crate) mod freshness;
pub(crate) mod lease;
pub(crate) mod ttl;

use std::time::Duration;

/// How long a value is fresh when neither the function nor the cache says: long enough to take load off an origin,
/// short enough that a forgotten invalidation heals. Raising it makes misses rarer and forgotten values older.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_secs(5 * 60);

/// How long a caller waits for one load of somebody else before another one is started, in groups that widen with each such
/// wait. Raising it protects a slow origin better and makes callers of a dead holder wait longer.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// How long a lease lasts without renewal: when a holder is killed, the others take over after this long. Raising it
/// tolerates longer pauses of a holder.
///
/// # Why short leases, and no key that says that a process lives
///
/// The other way to be rid of a dead holder soon is a liveness key for each process, renewed all the time, and leases
/// that name it: a waiter looks whether the holder's process lives. It costs one command every few seconds, however
/// many functions run. But a short lease says the same with what is there already: its expiry. Nobody asks for a
/// second key, which would lie in another slot of a cluster, would need its own pattern in an ACL, and would be one
/// look more for every waiter. It says it sooner: three seconds after the last renewal, where rueidisaside's key,
/// renewed every 5 s and living for 10 s, takes up to ten. And it speaks of this run, not of its process: a runtime
/// that is stuck keeps no lease alive because another one of the process is not.
///
/// The price is one command a second for each function that runs *longer than a second* under a lease, and none for
/// the others, which are nearly all: a hundred long runs at once are a hundred commands a second, a thousandth of what
/// a server does (`cargo bench -p tests --bench wake` counts them). A body that blocks its thread cannot renew: after
/// two to three seconds the next caller runs it once more, and the value of the run that lost its lease is not stored.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(3);

/// How often a lease is renewed at the most: a body that runs for longer than twenty leases, a minute with the default
/// one, loses its lease, so that a stuck holder does not keep a key for ever.
pub(crate) const MAX_RENEWALS: u32 = 57;

/// A lease is renewed when this share of it is over.
pub(crate) const RENEW_AFTER: f64 = 1.0 / 3.0;

/// How long a write of a key lasts without renewal. While it lasts, only its writer stores a value of the key. When a
/// writer is killed, the key is cached again after this long. Raising it tolerates longer pauses of a writer.
pub(crate) const DEFAULT_WRITE: Duration = DEFAULT_LEASE;

/// Whether callers in other processes wait for the holder of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// They wait for its value (`lock = true`).
    Wait,
    /// They run the function themselves and leave storing to the holder.
    Run,
}

/// What becomes of a call that the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The function runs without the cache.
    Run,
    /// The function runs if its turn comes in time, where the cache bounds how many do (`shed = true`).
    Shed,
    /// The failure is the function's error (`fail_open = false`).
    Refuse,
}

/// How one function takes and waits for leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) others: Others,
    /// How long a caller waits for one load of somebody else.
    pub(crate) wait: Duration,
    /// How long a lease lasts without renewal.
    pub(crate) lease: Duration,
}

/// The longest wait and the longest lease, a day: sums of times stay within what clocks hold.
pub(crate) const MAX_LOCK_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest lease: one that is over before its holder hears of it protects nothing.
const MIN_LEASE: Duration = Duration::from_millis(10);

impl Lock {
    /// The same lock with times that make sense, whatever an expression came to.
    pub(crate) fn bounded(self) -> Self {
        let (wait, lease) = (self.wait.min(MAX_LOCK_TIME), self.lease.clamp(MIN_LEASE, MAX_LOCK_TIME));
        Self { wait, lease, ..self }
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self { others: Others::Run, wait: DEFAULT_WAIT, lease: DEFAULT_LEASE }
    }
}

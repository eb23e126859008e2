//! Stores: where entries live. The trait and its contract for a store of your own, and the in-process store.

mod breaker;
mod claim;
mod guard;
mod memory;
#[cfg(test)]
mod model;
mod own;
pub(crate) mod redis;
mod sweep;
mod transition;
mod writes;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use self::breaker::Breaker;
pub(crate) use self::claim::Claim;
pub(crate) use self::guard::Budget;
pub use self::memory::Memory;
pub(crate) use self::own::OwnStore;
pub(crate) use self::redis::{Node, Watch, sending_on};
pub use self::sweep::Swept;
pub(crate) use self::sweep::{Part, Plan, Position, Step};
pub use self::transition::{Admission, Expiry, Withdrawal, admit, commits, renew, withdraw};
pub use self::writes::{Begun, Change, EndRequest, Ended, WriteRequest, begin, end, renew_write};

use crate::clock::Timestamp;
use crate::entry::Header;
pub use crate::entry::{HEADER_LEN, Token};
use crate::error::Error;
use crate::runtime;

/// A place for entries that several callers, and several processes, share.
///
/// An entry is a string of bytes with an expiry: a 48-byte header, and what belongs to it. It is a value, a lease, or a
/// WRITE, which says that the value is being changed. A store need not know the layout: [`admit`], [`renew`], [`commits`],
/// [`withdraw`], [`begin`], [`renew_write`] and [`end`] decide what its operations do to the bytes that are there. What a
/// store must do is make each operation **atomic for its key**: nothing else may happen to the key between the decision
/// and the write. That, and that an entry is gone when [`remove`](Self::remove) has returned, is what makes invalidation
/// win against fills in flight. Three more things are expected of it:
///
/// - Each operation happens at most as often as it is called. An operation that happens after its caller has given it up
///   does no harm: the tokens see to that.
/// - An entry is gone when its expiry has passed. A store that may drop entries before that, because it is full, should
///   drop values and keep leases and WRITEs: without its lease a fill stores nothing, and without its WRITE a writer that
///   is killed before its end leaves what others have loaded meanwhile.
/// - A store tells [`admit`] and [`begin`] how long an entry has left. An entry that has no expiry, or longer left than it
///   can have been given, is displaced.
///
/// Implementations write plain `async fn`s. They need no time-outs: the cache gives each call a deadline and drops the
/// future at its end. A dropped operation may have happened or not.
///
/// # Errors
///
/// Any error makes the caller run its function without the cache; [`ErrorKind`](crate::ErrorKind) says what is logged.
pub trait Store: Send + Sync + 'static {
    /// The entry at `key`.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Takes the lease of a key, or tells what is there instead: [`admit`] decides.
    fn lease(&self, key: &str, request: &LeaseRequest) -> impl Future<Output = Result<Leased, Error>> + Send;

    /// Gives the lease of `token` a new lifetime of `ttl` from now, where it is still there: [`renew`] writes it.
    /// Returns whether it is.
    fn renew(&self, key: &str, token: Token, ttl: Duration) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Stores `entry` for `ttl` where the lease of `token` is still there: [`commits`] decides.
    fn commit(
        &self,
        key: &str,
        token: Token,
        entry: Bytes,
        ttl: Duration,
    ) -> impl Future<Output = Result<Commit, Error>> + Send;

    /// Gives the lease of `token` back, where it is still there: [`withdraw`] decides. Where the lease is on a value and
    /// `hold_off` is not zero, nobody is to load that value for so long.
    fn release(&self, key: &str, token: Token, hold_off: Duration) -> impl Future<Output = Result<(), Error>> + Send;

    /// Begins to write: [`begin`] decides. A value or a lease that is there is lost. Returns the generation that
    /// [`end_write`](Self::end_write) is to name.
    fn begin_write(&self, key: &str, request: &WriteRequest) -> impl Future<Output = Result<Token, Error>> + Send;

    /// Gives the writer a new lifetime of `ttl` from now, where it is still under way: [`renew_write`] writes it.
    /// Returns whether it is.
    fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Ends a write: [`end`] decides. The writer's value is stored if nothing else has happened to the key since it
    /// began; otherwise what is there is removed.
    fn end_write(&self, key: &str, request: &EndRequest) -> impl Future<Output = Result<Ended, Error>> + Send;

    /// Removes value and lease together.
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// One step of a sweep: removes the entries, leases too, of some keys that begin with `prefix`, which is empty for a
    /// cache without one. `cursor` is 0 in the first step, and afterwards the number that the step before returned in
    /// [`Swept::More`]: its meaning is the store's. A step that fails, or is dropped, is repeated.
    ///
    /// A sweep comes when so many invalidations have failed that the cache has not kept all keys (16 MiB of them). It must
    /// cover each key that is there from its beginning to its end; others it may cover or not. A step should take
    /// milliseconds, and takes a second at the most: a few hundred keys. What is not the cache's must be left alone.
    ///
    /// The default says that the store cannot list its keys. Then these invalidations stay pending for the life of the cache,
    /// which uses nothing any more that was loaded before the last of them; other processes may serve old values until
    /// they expire. To know what was loaded before, it compares the clocks of the machines that load, and takes them to be
    /// a minute apart at the most.
    fn sweep(&self, prefix: &str, cursor: u64) -> impl Future<Output = Result<Swept, Error>> + Send {
        let _ = (prefix, cursor);
        std::future::ready(Ok(Swept::Unsupported))
    }
}

/// What a fill asks for.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    token: Token,
    ttl: Duration,
    take: Take,
    now: Timestamp,
    overwrites_foreign: bool,
}

/// What a lease may displace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Nothing: there must be no entry.
    Missing,
    /// Exactly the entry that begins with these bytes, which the caller cannot use.
    Unusable(Bytes),
    /// Exactly the value that begins with these bytes, which is loaded anew. It stays readable meanwhile.
    Refresh(Bytes),
    /// Anything: a refresh that was asked for. A value stays readable meanwhile.
    Any,
}

impl LeaseRequest {
    pub(crate) fn new(token: Token, ttl: Duration, take: Take, now: Timestamp) -> Self {
        Self { token, ttl, take, now, overwrites_foreign: false }
    }

    /// The same request, which may displace a string that this library did not write, or not.
    pub(crate) fn overwriting_foreign(self, overwrites_foreign: bool) -> Self {
        Self { overwrites_foreign, ..self }
    }

    /// The token of the fill.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// How long the lease lasts.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(crate) fn header(&self) -> Header {
        Header::lease(self.token, self.now, self.ttl)
    }
}

/// The answer to a [`LeaseRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leased {
    /// The lease is taken: the caller loads.
    Granted,
    /// This is there instead: a value, somebody else's lease, or a string that this library did not write.
    Found(Bytes),
}

/// The answer to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The value is stored.
    Stored,
    /// The lease was gone (invalidated, expired or displaced), and nothing was stored.
    Lost,
}

/// The stores that a cache can be built on. The two of this crate are called without a virtual call or an allocation.
pub(crate) enum Backend {
    Memory(Memory),
    Redis(redis::RedisStore),
    Own(OwnStore),
}

impl Backend {
    /// The store, as people know it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Memory(memory) => format!("the in-process store ({})", memory.bound()),
            Self::Redis(store) => store.name(),
            Self::Own(_) => "the store".to_owned(),
        }
    }

    /// Whether an entry of this length at this key is one that the store keeps, as far as it says so beforehand.
    pub(crate) fn fits(&self, key: &str, entry: usize) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => memory.fits(key, entry),
            Self::Redis(_) | Self::Own(_) => Ok(()),
        }
    }

    /// Now, on the clock that the times in the entry at this key are of.
    pub(crate) fn now(&self, key: &str) -> Timestamp {
        match self {
            Self::Memory(_) => Timestamp::monotonic(),
            Self::Redis(store) => store.now(key),
            Self::Own(_) => Timestamp::now(),
        }
    }

    /// Sees to it that [`now`](Self::now) is the server's time: it is asked when a connection is made.
    pub(crate) async fn learn_time(&self, key: &str) -> Result<(), Error> {
        match self {
            Self::Redis(store) if !store.knows_time(key) => store.connected(key).await,
            _ => Ok(()),
        }
    }

    /// Hears that an operation got no answer within its deadline.
    pub(crate) fn timed_out(&self) {
        if let Self::Redis(store) = self {
            store.timed_out();
        }
    }

    /// Hears that a server gives no answers.
    pub(crate) fn fails(&self) {
        if let Self::Redis(store) = self {
            store.fails();
        }
    }

    /// Looks at a key and registers for its next change, where the store pushes changes: else `None`, without a look.
    pub(crate) async fn watch(&self, key: &str) -> Result<Option<(Option<Bytes>, Watch)>, Error> {
        match self {
            Self::Redis(store) => store.watch(key).await,
            Self::Memory(_) | Self::Own(_) => Ok(None),
        }
    }
}

/// Calls a method on whichever store it is.
macro_rules! each {
    ($backend:expr, $store:ident => $call:expr) => {
        match $backend {
            Backend::Memory($store) => $call.await,
            Backend::Redis($store) => $call.await,
            Backend::Own(own) => {
                // Its operations may wait, and the deadline needs a timer.
                runtime::with_timers()?;
                let $store = own.erased();
                $call.await
            }
        }
    };
}

impl Store for Backend {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        each!(self, store => store.get(key))
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        each!(self, store => store.lease(key, request))
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        each!(self, store => store.renew(key, token, ttl))
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        each!(self, store => store.commit(key, token, entry, ttl))
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        each!(self, store => store.release(key, token, hold_off))
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        each!(self, store => store.begin_write(key, request))
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        each!(self, store => store.renew_write(key, writer, ttl))
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        each!(self, store => store.end_write(key, request))
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        each!(self, store => store.remove(key))
    }
}

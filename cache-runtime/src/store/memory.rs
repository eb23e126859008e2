//! The in-process store: the default of a program without Redis, under the same lease contract.

mod values;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;

use self::values::{Bound, Values, cost};
use super::transition::{renew_at, withdraw_at};
use super::writes::renew_write_at;
use super::{
    Admission, Begun, Change, Commit, EndRequest, Ended, Expiry, LeaseRequest, Leased, Store, Swept, Withdrawal,
    WriteRequest, admit, begin, commits, end,
};
use crate::clock::{self, Instant, Timestamp};
use crate::entry::{Header, Token};
use crate::error::{Error, ErrorKind};
use crate::sharded::Sharded;

/// The bound of a store that nobody gave one, in bytes: enough for a hundred thousand small values, small enough for a
/// container.
const DEFAULT_BYTES: u64 = 64 << 20;

/// The fewest bytes that a store is bounded by: less was meant in other units.
const MIN_BYTES: u64 = 64 << 10;

/// A store in this process: bounded, expiring, the least useful entries leave first (`quick_cache`, S3-FIFO).
///
/// Values are in the bounded map. Leases and WRITEs are beside it, in a map that only running fills and writers occupy, so
/// that a full store forgets values and never that somebody loads or changes one.
pub struct Memory {
    values: Values,
    /// Leases and WRITEs.
    leases: Sharded<HashMap<Arc<str>, Stored>>,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    expires: Instant,
}

impl Stored {
    fn is_live(&self) -> bool {
        clock::now() < self.expires
    }

    /// Whether it is a lease or a WRITE.
    fn is_lease(&self) -> bool {
        Header::decode(&self.bytes).is_some_and(|header| !header.is_value())
    }

    /// How long it has left.
    fn left(&self) -> Duration {
        self.expires.saturating_duration_since(clock::now())
    }
}

/// The bytes of what is at a key.
fn bytes(current: Option<&Stored>) -> Option<&[u8]> {
    current.map(|stored| &stored.bytes[..])
}

impl Memory {
    /// A store of at most `count` values, however large. [`build`](crate::CacheBuilder::build) refuses a count of zero.
    #[must_use]
    pub fn entries(count: u32) -> Self {
        Self::with(Bound::Entries(count))
    }

    /// A store of at most `bytes` bytes, as `64 << 20` is for 64 MiB. Counted are keys, values and what it takes to keep
    /// them, about 200 bytes an entry; a full store takes what it is bounded by, within 15 %.
    ///
    /// It keeps values that take up to half of the bound; where the bound is 32 MiB or more, values of at least 12 MiB. A
    /// longer value is returned by its function and not stored, with an event, and putting it is an error.
    /// [`build`](crate::CacheBuilder::build) refuses less than 64 KiB.
    #[must_use]
    pub fn bytes(bytes: u64) -> Self {
        Self::with(Bound::Bytes(bytes))
    }

    fn with(bound: Bound) -> Self {
        Self { values: Values::new(bound), leases: Sharded::new() }
    }

    /// What makes this a store that nobody can want, and what to write instead.
    pub(crate) fn mistake(&self) -> Option<String> {
        match self.values.bound {
            Bound::Entries(0) => Some(
                "`Memory::entries(0)` keeps nothing: write how many values there may be, as `Memory::entries(10_000)`, \
                 or use `Cache::disabled()` to cache nothing"
                    .to_owned(),
            ),
            Bound::Bytes(bytes) if bytes < MIN_BYTES => Some(format!(
                "`Memory::bytes({bytes})` is too small: it must be at least {MIN_BYTES}; 64 MiB are \
                 `Memory::bytes(64 << 20)`"
            )),
            Bound::Entries(_) | Bound::Bytes(_) => None,
        }
    }

    /// The bound, as people write it.
    pub(crate) fn bound(&self) -> impl fmt::Display {
        self.values.bound
    }

    /// Whether an entry of this length at this key is one to keep.
    pub(crate) fn fits(&self, key: &str, entry: usize) -> Result<(), Error> {
        let (cost, largest) = (cost(key.len(), entry), self.values.bound.largest());
        if cost <= largest {
            return Ok(());
        }
        let context = format!(
            "an entry of {entry} bytes takes {cost}, and an in-process store of {} keeps none of more than {largest}: \
             raise `Memory::bytes`",
            self.values.bound
        );
        Err(Error::new(ErrorKind::TooLarge, context))
    }

    /// The leases of the shard that `key` is in. Whoever holds the guard is the only writer of the key.
    fn shard(&self, key: &str) -> Shard<'_> {
        Shard { store: self, leases: self.leases.lock(key) }
    }

    /// The live value at `key`.
    pub(crate) fn value(&self, key: &str) -> Option<Bytes> {
        self.stored(key).map(|stored| stored.bytes)
    }

    /// Stores a value for `ttl`.
    pub(crate) fn insert(&self, key: &str, bytes: Bytes, ttl: Duration) {
        self.values.insert(key, &Stored { bytes, expires: clock::now() + ttl });
    }

    /// Forgets a value.
    pub(crate) fn forget(&self, key: &str) {
        self.values.remove(key);
    }

    /// Forgets the values whose keys do not pass.
    pub(crate) fn retain(&self, passes: impl Fn(&str) -> bool) {
        self.values.retain(passes);
    }

    fn stored(&self, key: &str) -> Option<Stored> {
        self.values.get(key).filter(Stored::is_live)
    }
}

/// A shard, locked.
struct Shard<'s> {
    store: &'s Memory,
    leases: MutexGuard<'s, HashMap<Arc<str>, Stored>>,
}

impl Shard<'_> {
    fn current(&self, key: &str) -> Option<Stored> {
        self.store.stored(key).or_else(|| self.leases.get(key).cloned().filter(Stored::is_live))
    }

    /// Writes an entry where it belongs, so that a reader without the lock sees the old one or the new one.
    fn write(&mut self, key: &str, bytes: Bytes, expires: Instant) {
        let stored = Stored { bytes, expires };
        if stored.is_lease() {
            // Leases that nobody gave back leave before the map grows for them.
            if self.leases.len() == self.leases.capacity() {
                self.leases.retain(|_, lease| lease.is_live());
            }
            self.leases.insert(key.into(), stored);
            self.store.values.remove(key);
        } else {
            self.store.values.insert(key, &stored);
            self.leases.remove(key);
        }
    }

    /// Writes an entry that comes after this one, with this expiry.
    fn write_after(&mut self, key: &str, current: Option<&Stored>, bytes: Bytes, expiry: Expiry) {
        let expires = match (expiry, current) {
            (Expiry::AtLeast(ttl), Some(current)) => current.expires.max(clock::now() + ttl),
            (Expiry::In(ttl) | Expiry::AtLeast(ttl), _) => clock::now() + ttl,
        };
        self.write(key, bytes, expires);
    }

    fn remove(&mut self, key: &str) {
        self.store.values.remove(key);
        self.leases.remove(key);
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::bytes(DEFAULT_BYTES)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Store for Memory {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        if let Some(value) = self.value(key) {
            return Ok(Some(value));
        }
        Ok(self.shard(key).current(key).map(|stored| stored.bytes))
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        let mut shard = self.shard(key);
        let current = shard.current(key);
        match admit(bytes(current.as_ref()), current.as_ref().map(Stored::left), request) {
            Admission::Grant(bytes, expiry) => {
                shard.write_after(key, current.as_ref(), bytes, expiry);
                Ok(Leased::Granted)
            }
            Admission::Refuse => Ok(Leased::Found(current.map(|stored| stored.bytes).unwrap_or_default())),
        }
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        let mut shard = self.shard(key);
        let Some(current) = shard.current(key) else { return Ok(false) };
        let now = Timestamp::monotonic();
        let Some(renewed) = renew_at(Some(&current.bytes), token, now, ttl) else { return Ok(false) };
        shard.write_after(key, Some(&current), renewed, Expiry::AtLeast(ttl));
        Ok(true)
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        self.fits(key, entry.len())?;
        let mut shard = self.shard(key);
        if !commits(bytes(shard.current(key).as_ref()), token) {
            return Ok(Commit::Lost);
        }
        shard.write(key, entry, clock::now() + ttl);
        Ok(Commit::Stored)
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        let mut shard = self.shard(key);
        let Some(current) = shard.current(key) else {
            return Ok(());
        };
        let hold_off = (!hold_off.is_zero()).then(|| Timestamp::monotonic().after(hold_off));
        match withdraw_at(Some(&current.bytes), token, hold_off) {
            Withdrawal::Remove => shard.remove(key),
            Withdrawal::Write(bytes) => shard.write(key, bytes, current.expires),
            Withdrawal::Leave => {}
        }
        Ok(())
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        let mut shard = self.shard(key);
        let current = shard.current(key);
        let Begun { generation, entry, expiry } =
            begin(bytes(current.as_ref()), current.as_ref().map(Stored::left), request)?;
        shard.write_after(key, current.as_ref(), entry, expiry);
        Ok(generation)
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        let mut shard = self.shard(key);
        let current = shard.current(key);
        let renewed = renew_write_at(bytes(current.as_ref()), writer, Timestamp::monotonic(), ttl);
        let Some(renewed) = renewed else { return Ok(false) };
        shard.write_after(key, current.as_ref(), renewed, Expiry::AtLeast(ttl));
        Ok(true)
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        if let Some((entry, _)) = request.value() {
            self.fits(key, entry.len())?;
        }
        let mut shard = self.shard(key);
        let current = shard.current(key);
        let (ended, change) = end(bytes(current.as_ref()), request);
        match change {
            Change::Write(entry, expiry) => shard.write_after(key, current.as_ref(), entry, expiry),
            Change::Remove => shard.remove(key),
            Change::Leave => {}
        }
        Ok(ended)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.shard(key).remove(key);
        Ok(())
    }

    /// In one step. Leases go first: a fill without its lease stores nothing, and what others have stored by then is among
    /// the values.
    async fn sweep(&self, prefix: &str, _cursor: u64) -> Result<Swept, Error> {
        self.leases.each(|leases| leases.retain(|key, _| !key.starts_with(prefix)));
        // Each under the lock of its key: a value may have a lease on it, whose holder is about to replace it.
        for key in self.values.keys(prefix) {
            self.shard(&key).remove(&key);
        }
        Ok(Swept::Done)
    }
}

//! A store as a user would write one: a map under one lock, and the decisions that the crate makes for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_runtime::store::{
    Admission, Begun, Change, Commit, EndRequest, Ended, Expiry, LeaseRequest, Leased, Token, Withdrawal, WriteRequest,
    admit, begin, commits, end, renew, renew_write, withdraw,
};
use cache_runtime::{Error, Store};

/// The map: entries that are past their expiry are not there. A clone is the same map.
#[derive(Clone, Debug, Default)]
pub struct OwnStore {
    entries: Arc<Mutex<HashMap<String, Stored>>>,
    /// What another program stores just before the next lease is asked for.
    intrusion: Arc<Mutex<Option<Bytes>>>,
}

/// For how long another program stores something: longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

type Entries<'s> = MutexGuard<'s, HashMap<String, Stored>>;

impl OwnStore {
    /// Another program stores these bytes.
    pub fn set(&self, key: &str, bytes: impl Into<Bytes>) {
        self.lock().insert(key.to_owned(), (bytes.into(), Instant::now() + LONG));
    }

    /// Another program stores these bytes at the key of the next lease, just before that is asked for.
    pub fn set_before_the_next_lease(&self, bytes: impl Into<Bytes>) {
        *self.intrusion.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.into());
    }

    fn intrude(&self, key: &str) {
        if let Some(bytes) = self.intrusion.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.set(key, bytes);
        }
    }

    /// What another program finds.
    #[must_use]
    pub fn found(&self, key: &str) -> Option<Bytes> {
        self.lock().get(key).map(|(entry, _)| entry.clone())
    }

    /// The map, locked: atomic for every key.
    fn lock(&self) -> Entries<'_> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, (_, expires)| Instant::now() < *expires);
        entries
    }
}

/// An entry, and when it expires.
type Stored = (Bytes, Instant);

/// The bytes of what is there, and how long it has left.
fn parts(current: Option<&Stored>) -> (Option<&[u8]>, Option<Duration>) {
    let left = current.map(|(_, expires)| expires.saturating_duration_since(Instant::now()));
    (current.map(|(entry, _)| &entry[..]), left)
}

/// When an entry expires that comes after this one.
fn expires(expiry: Expiry, current: Option<&Stored>) -> Instant {
    match (expiry, current) {
        (Expiry::AtLeast(ttl), Some((_, expires))) => (*expires).max(Instant::now() + ttl),
        (Expiry::In(ttl) | Expiry::AtLeast(ttl), _) => Instant::now() + ttl,
    }
}

impl Store for OwnStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.found(key))
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        self.intrude(key);
        let mut entries = self.lock();
        let current = entries.get(key).cloned();
        let (entry, left) = parts(current.as_ref());
        match admit(entry, left, request) {
            Admission::Grant(entry, expiry) => {
                entries.insert(key.to_owned(), (entry, expires(expiry, current.as_ref())));
                Ok(Leased::Granted)
            }
            Admission::Refuse => Ok(Leased::Found(current.map(|(entry, _)| entry).unwrap_or_default())),
        }
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        let mut entries = self.lock();
        let Some((entry, expires)) = entries.get_mut(key) else { return Ok(false) };
        let Some(renewed) = renew(Some(entry), token, ttl) else { return Ok(false) };
        (*entry, *expires) = (renewed, (*expires).max(Instant::now() + ttl));
        Ok(true)
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        let mut entries = self.lock();
        if !commits(entries.get(key).map(|(entry, _)| &entry[..]), token) {
            return Ok(Commit::Lost);
        }
        entries.insert(key.to_owned(), (entry, Instant::now() + ttl));
        Ok(Commit::Stored)
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        let mut entries = self.lock();
        match withdraw(entries.get(key).map(|(entry, _)| &entry[..]), token, hold_off) {
            Withdrawal::Remove => drop(entries.remove(key)),
            Withdrawal::Write(bytes) => {
                if let Some((entry, _)) = entries.get_mut(key) {
                    *entry = bytes;
                }
            }
            Withdrawal::Leave => {}
        }
        Ok(())
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        self.intrude(key);
        let mut entries = self.lock();
        let current = entries.get(key).cloned();
        let (entry, left) = parts(current.as_ref());
        let Begun { generation, entry, expiry } = begin(entry, left, request)?;
        entries.insert(key.to_owned(), (entry, expires(expiry, current.as_ref())));
        Ok(generation)
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        let mut entries = self.lock();
        let Some((entry, expires)) = entries.get_mut(key) else { return Ok(false) };
        let Some(renewed) = renew_write(Some(entry), writer, ttl) else { return Ok(false) };
        (*entry, *expires) = (renewed, (*expires).max(Instant::now() + ttl));
        Ok(true)
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        let mut entries = self.lock();
        let current = entries.get(key).cloned();
        let (ended, change) = end(parts(current.as_ref()).0, request);
        match change {
            Change::Write(entry, expiry) => {
                entries.insert(key.to_owned(), (entry, expires(expiry, current.as_ref())));
            }
            Change::Remove => drop(entries.remove(key)),
            Change::Leave => {}
        }
        Ok(ended)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.lock().remove(key);
        Ok(())
    }
}

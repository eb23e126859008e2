//! A store as a user would write one: a map under one lock, and the decisions that the crate makes for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_runtime::store::{
    Admission, Commit, Expiry, LeaseRequest, Leased, Token, Withdrawal, admit, commits, renew, withdraw,
};
use cache_runtime::{Error, Store};

/// The map: entries that are past their expiry are not there. A clone is the same map.
#[derive(Clone, Debug, Default)]
pub struct OwnStore {
    entries: Arc<Mutex<HashMap<String, (Bytes, Instant)>>>,
    /// What another program stores just before the next lease is asked for.
    intrusion: Arc<Mutex<Option<Bytes>>>,
}

/// For how long another program stores something: longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

type Entries<'s> = MutexGuard<'s, HashMap<String, (Bytes, Instant)>>;

impl OwnStore {
    /// Another program stores these bytes.
    pub fn set(&self, key: &str, bytes: impl Into<Bytes>) {
        self.lock().insert(key.to_owned(), (bytes.into(), Instant::now() + LONG));
    }

    /// Another program stores these bytes at the key of the next lease, just before that is asked for.
    pub fn set_before_the_next_lease(&self, bytes: impl Into<Bytes>) {
        *self.intrusion.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.into());
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

impl Store for OwnStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.found(key))
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        if let Some(bytes) = self.intrusion.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.set(key, bytes);
        }
        let mut entries = self.lock();
        let current = entries.get(key).cloned();
        match admit(current.as_ref().map(|(entry, _)| &entry[..]), request) {
            Admission::Grant(entry, expiry) => {
                let expires = match expiry {
                    Expiry::In(ttl) => Instant::now() + ttl,
                    Expiry::AtLeast(ttl) => {
                        let least = Instant::now() + ttl;
                        current.map_or(least, |(_, expires)| expires.max(least))
                    }
                };
                entries.insert(key.to_owned(), (entry, expires));
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

    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), Error> {
        self.lock().insert(key.to_owned(), (entry, Instant::now() + ttl));
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.lock().remove(key);
        Ok(())
    }
}

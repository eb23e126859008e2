//! A store that fails on cue, and knows when it was asked: on virtual time it shows what a cache does in an hour.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, EndRequest, Ended, LeaseRequest, Leased, Token, WriteRequest};
use cache_runtime::{Error, ErrorKind, Store};
use tokio::time::Instant;

use crate::OwnStore;

/// How the store answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// It cannot be reached.
    Away,
    /// It is there, and wants nothing of it.
    Refusing,
    /// It reads and removes as it should, and stores nothing.
    ReadOnly,
    /// As it should, and this late.
    Slow(Duration),
    /// Not at all.
    Hung,
}

/// The store. A clone is the same store.
#[derive(Clone, Debug, Default)]
pub struct FailingStore {
    entries: OwnStore,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    looks: Vec<Instant>,
    removals: Vec<Instant>,
    leases: usize,
}

impl FailingStore {
    /// Another way to the same entries, with a mood of its own.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { entries: self.entries.clone(), state: Arc::default() }
    }

    /// Answers like this from now on.
    pub fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// When it was asked for an entry.
    pub fn looks(&self) -> Vec<Instant> {
        self.state().looks.clone()
    }

    /// When it was asked to remove one.
    pub fn removals(&self) -> Vec<Instant> {
        self.state().removals.clone()
    }

    /// How often it was asked for a lease.
    pub fn leases(&self) -> usize {
        self.state().leases
    }

    /// To what only stores, as a store answers that reads and removes.
    async fn stores(&self) -> Result<(), Error> {
        if self.state().mood == Mood::ReadOnly {
            return Err(Error::new(ErrorKind::Rejected, "it stores nothing"));
        }
        self.answers().await
    }

    async fn answers(&self) -> Result<(), Error> {
        let mood = self.state().mood;
        match mood {
            Mood::Well | Mood::ReadOnly => Ok(()),
            Mood::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Mood::Away => Err(Error::new(ErrorKind::Unavailable, "it is away")),
            Mood::Refusing => Err(Error::new(ErrorKind::Rejected, "it refuses")),
            Mood::Hung => std::future::pending().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for FailingStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.state().looks.push(Instant::now());
        self.answers().await?;
        self.entries.get(key).await
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        self.state().leases += 1;
        self.stores().await?;
        self.entries.lease(key, request).await
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        self.stores().await?;
        self.entries.renew(key, token, ttl).await
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        self.stores().await?;
        self.entries.commit(key, token, entry, ttl).await
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        self.answers().await?;
        self.entries.release(key, token, hold_off).await
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        self.answers().await?;
        self.entries.begin_write(key, request).await
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        self.answers().await?;
        self.entries.renew_write(key, writer, ttl).await
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        self.answers().await?;
        self.entries.end_write(key, request).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.state().removals.push(Instant::now());
        self.answers().await?;
        self.entries.remove(key).await
    }
}

//! What tests of clocks and of stores need.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;

use crate::cache::Cache;
use crate::clock::Timestamp;
pub use crate::clock::test_util::set_wall_clock_ahead;
use crate::entry::{self, Header, Schema, Sizes};
use crate::error::Error;
use crate::store::{Backend, Commit, EndRequest, Ended, LeaseRequest, Leased, Store, Take, Token, WriteRequest};

/// Names a fill, a writer or a generation. The same number is the same token.
#[must_use]
pub fn token(number: u64) -> Token {
    Token(number.to_be_bytes())
}

/// The entry of a lease that was taken this long ago and is held for `ttl`, by this machine's clock.
#[must_use]
pub fn lease(number: u64, ago: Duration, ttl: Duration) -> Bytes {
    Header::lease(token(number), Timestamp::now().before(ago), ttl).alone()
}

/// The entry of a value, under this token and at this key.
#[must_use]
pub fn value(number: u64, key: &str) -> Bytes {
    let header = Header::value(Schema::default(), token(number), Timestamp::now(), Duration::from_secs(60));
    let written = entry::write(&header, key, &Sizes::default(), |out| {
        out.push(7);
        Ok::<_, Infallible>(())
    });
    written.map_or_else(|never| match never {}, |written| written.bytes)
}

/// What a lease may displace.
#[derive(Clone, Debug)]
pub enum Displaces {
    /// Nothing.
    Nothing,
    /// Exactly this entry, which is of no use.
    Unusable(Bytes),
    /// Exactly this value, which stays readable meanwhile.
    Refresh(Bytes),
    /// Anything; a value stays readable meanwhile.
    Anything,
}

/// One key of a cache's store, which is asked for it as the cache asks: each method is one operation of [`Store`].
///
/// # Errors
///
/// Those of the store.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a handle for one test")]
pub struct StoreKey<'c> {
    backend: &'c Backend,
    key: &'c str,
}

#[expect(clippy::missing_errors_doc, reason = "all of them return the store's, as the type's documentation says")]
impl<'c> StoreKey<'c> {
    /// This key of the cache's store.
    #[must_use]
    pub fn new(cache: &'c Cache, key: &'c str) -> Self {
        Self { backend: &cache.shared().engine.backend, key }
    }

    /// [`Store::get`]
    pub async fn get(&self) -> Result<Option<Bytes>, Error> {
        self.backend.get(self.key).await
    }

    /// [`Store::lease`]
    pub async fn lease(&self, number: u64, ttl: Duration, displaces: Displaces) -> Result<Leased, Error> {
        let head = |entry: Bytes| Bytes::copy_from_slice(entry::head(&entry));
        let take = match displaces {
            Displaces::Nothing => Take::Missing,
            Displaces::Unusable(entry) => Take::Unusable(head(entry)),
            Displaces::Refresh(entry) => Take::Refresh(head(entry)),
            Displaces::Anything => Take::Any,
        };
        let request = LeaseRequest::new(token(number), ttl, take, self.backend.now(self.key));
        self.backend.lease(self.key, &request).await
    }

    /// [`Store::renew`]
    pub async fn renew(&self, number: u64, ttl: Duration) -> Result<bool, Error> {
        self.backend.renew(self.key, token(number), ttl).await
    }

    /// [`Store::commit`]
    pub async fn commit(&self, number: u64, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        self.backend.commit(self.key, token(number), entry, ttl).await
    }

    /// [`Store::release`]
    pub async fn release(&self, number: u64, hold_off: Duration) -> Result<(), Error> {
        self.backend.release(self.key, token(number), hold_off).await
    }

    /// [`Store::begin_write`]
    pub async fn begin_write(&self, writer: u64, generation: u64, ttl: Duration) -> Result<Token, Error> {
        self.begin_write_late(writer, generation, ttl, Duration::ZERO).await
    }

    /// [`Store::begin_write`], of a request that arrives this late, or of a process whose clock is behind by as much.
    pub async fn begin_write_late(
        &self,
        writer: u64,
        generation: u64,
        ttl: Duration,
        late: Duration,
    ) -> Result<Token, Error> {
        let now = self.backend.now(self.key).before(late);
        let request = WriteRequest::new(token(writer), token(generation), ttl, now);
        self.backend.begin_write(self.key, &request).await
    }

    /// [`Store::renew_write`]
    pub async fn renew_write(&self, writer: u64, ttl: Duration) -> Result<bool, Error> {
        self.backend.renew_write(self.key, token(writer), ttl).await
    }

    /// [`Store::end_write`]
    pub async fn end_write(
        &self,
        writer: u64,
        generation: Token,
        value: Option<(Bytes, Duration)>,
    ) -> Result<Ended, Error> {
        self.backend.end_write(self.key, &EndRequest::new(token(writer), generation, value)).await
    }

    /// [`Store::remove`]
    pub async fn remove(&self) -> Result<(), Error> {
        self.backend.remove(self.key).await
    }
}

//! What an entry's handle does: look, put, invalidate.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::writing::Writing;
use super::{Engine, Request};
use crate::codec::Coding;
use crate::entry::{self, Defect, Flags, Header, Lookup, Token};
use crate::error::{Error, ErrorKind};
use crate::policy::ttl;
use crate::store::{Budget, Ended, Store};
use crate::{observe, random};

impl Engine {
    /// The fresh value at the key.
    pub(crate) async fn peek<C: Coding, V: DeserializeOwned>(&self, request: &Request) -> Result<Option<V>, Error> {
        let (mut budget, at) = (Budget::new(self.deadline), self.flights.now());
        if self.pending.has(&request.key) {
            self.invalidate_first(&mut budget, &request.key).await?;
        }
        let found = self.step(&mut budget, "get", &request.key, pin!(self.backend.get(&request.key))).await?;
        let expected = self.expected::<C, V>(request, None);
        let payload = match (self.classify(found.as_deref(), &request.key, expected), &found) {
            (Lookup::Fresh(header), Some(bytes))
                if !header.flags.has(Flags::NONE) && self.trusts(at, &request.key, &header) =>
            {
                entry::payload(bytes, &header, &self.sizes)
            }
            // An error is stored, and `get` speaks of values.
            (Lookup::Unusable(Defect::Failure), _) => return Ok(None),
            (Lookup::Unusable(defect), _) => {
                observe::unusable(request.site, &request.key, defect);
                return Ok(None);
            }
            (Lookup::Foreign, _) => {
                observe::foreign(request.site, &request.key);
                return Ok(None);
            }
            _ => return Ok(None),
        };
        payload.and_then(|payload| C::decode(self.format, &payload)).map(Some).or_else(|error| {
            observe::undecodable(request.site, &request.key, &error);
            Ok(None)
        })
    }

    /// Stores a value; fills in flight lose their lease.
    pub(crate) async fn put<C, V>(self: &Arc<Self>, request: &Request, value: &V) -> Result<(), Error>
    where
        C: Coding,
        V: Serialize + DeserializeOwned,
    {
        let done = self.stores::<C, V>(request, value).await;
        self.flights.end(&request.key);
        self.outage.forget(&request.key);
        done
    }

    /// A value that no store would take leaves what is cached as it is. If the store fails, the cached value may be old,
    /// and the write may still happen or be half done: the key is invalidated as soon as the store answers.
    async fn stores<C, V>(self: &Arc<Self>, request: &Request, value: &V) -> Result<(), Error>
    where
        C: Coding,
        V: Serialize + DeserializeOwned,
    {
        let (key, mut budget) = (&request.key, Budget::new(self.deadline));
        let failure = self.pending.failure(key);
        let writing = Writing::new(self, request);
        // The first thing that a process does may be a put, and the times in an entry are the server's.
        let connected = self.step(&mut budget, "connect", key, pin!(self.backend.learn_time(key))).await;
        let (entry, lifetime) = self.entry_of::<C, V>(request, writing.generation(), value)?;
        let ended = match connected {
            Ok(()) => Self::writes(writing, &mut budget, entry, lifetime).await,
            Err(error) => Err(error),
        };
        match &ended {
            Ok(ended) => {
                // Nothing is left of what was there when the write began.
                self.pending.settled(key, failure);
                match ended {
                    Ended::Stored => observe::put(request.site, key),
                    Ended::Overlapped => observe::put_overtaken(request.site, key, "another write was under way"),
                    Ended::Removed | Ended::Lost => {
                        observe::put_overtaken(request.site, key, "the key was invalidated meanwhile");
                    }
                }
            }
            // Nothing was written, and what is there is not this cache's to remove.
            Err(error) if error.kind() == ErrorKind::Rejected && error.is_of_key() => {
                observe::not_put(request.site, key, error);
            }
            Err(error) => {
                self.invalidation_failed(key, error);
                observe::not_put(request.site, key, error);
            }
        }
        ended.map(drop)
    }

    async fn writes(mut writing: Writing, budget: &mut Budget, entry: Bytes, ttl: Duration) -> Result<Ended, Error> {
        writing.begin(budget).await?;
        writing.end(budget, entry, ttl).await
    }

    /// The entry that holds this value under this token, and its lifetime.
    fn entry_of<C, V>(&self, request: &Request, token: Token, value: &V) -> Result<(Bytes, Duration), Error>
    where
        C: Coding,
        V: Serialize + DeserializeOwned,
    {
        let lifetime = ttl::lifetime(request.ttl, request.jitter, random::unit())
            .ok_or_else(|| Error::new(ErrorKind::Configuration, "a TTL of zero stores nothing"))?;
        let schema = self.schema::<C, V>(request.site);
        let outlives = request.freshness.outlives();
        let header = Header::value(schema, token, self.backend.now(&request.key), lifetime);
        let header = if outlives.is_zero() { header } else { header.outliving() };
        let written = entry::write(&header, &request.key, &self.sizes, |out| C::encode(self.format, value, out))?;
        if !self.sizes.allow(written.size) {
            let why = format!(
                "an entry of {} bytes is longer than `max_entry_bytes`, {}",
                written.size, self.sizes.max_entry
            );
            return Err(Error::new(ErrorKind::TooLarge, why));
        }
        self.backend.fits(&request.key, written.bytes.len())?;
        Ok((written.bytes, ttl::with_windows(lifetime, outlives)))
    }

    /// Removes value and lease; fills in flight lose their lease, and who arrives from now on joins none of them.
    pub(crate) async fn invalidate(&self, request: &Request) -> Result<(), Error> {
        let failure = self.pending.failure(&request.key);
        let remove = pin!(self.backend.remove(&request.key));
        let done = self.step(&mut Budget::new(self.deadline), "remove", &request.key, remove).await;
        match &done {
            Ok(()) => {
                self.pending.settled(&request.key, failure);
                observe::invalidated(request.site, &request.key);
            }
            Err(error) => {
                self.invalidation_failed(&request.key, error);
                observe::not_invalidated(request.site, &request.key, error);
            }
        }
        // Now that a failure is pending: who leads the next run judges by it what the store has.
        self.flights.end(&request.key);
        self.outage.forget(&request.key);
        done
    }
}

//! What an entry's handle does: look, put, invalidate.

use std::pin::pin;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Engine, Request};
use crate::codec::Coding;
use crate::entry::{self, Defect, Flags, Header, Lookup, Token};
use crate::error::{Error, ErrorKind};
use crate::policy::ttl;
use crate::store::{Budget, LeaseRequest, Leased, Store, Take};
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
    pub(crate) async fn put<C, V>(&self, request: &Request, value: &V) -> Result<(), Error>
    where
        C: Coding,
        V: Serialize + DeserializeOwned,
    {
        let done = self.stores::<C, V>(request, value).await;
        self.flights.end(&request.key);
        self.outage.forget(&request.key);
        done
    }

    async fn stores<C, V>(&self, request: &Request, value: &V) -> Result<(), Error>
    where
        C: Coding,
        V: Serialize + DeserializeOwned,
    {
        let (key, mut budget) = (&request.key, Budget::new(self.deadline));
        // The first thing that a process does may be a put, and the times in an entry are the server's.
        self.step(&mut budget, "connect", key, pin!(self.backend.learn_time(key))).await?;
        let token = Token::random();
        let (entry, lifetime) = self.entry_of::<C, V>(request, token, value)?;
        // Only a lease says whether the string that is there is this library's.
        let lease = LeaseRequest::new(token, request.lock.lease, Take::Any, self.backend.now(key))
            .overwriting_foreign(self.overwrites_foreign);
        match self.step(&mut budget, "lease", key, pin!(self.backend.lease(key, &lease))).await? {
            Leased::Granted => {}
            Leased::Found(_) => return Err(Error::foreign()),
        }
        // A lease that is lost by then was lost to an invalidation or to a later write.
        self.step(&mut budget, "commit", key, pin!(self.backend.commit(key, token, entry, lifetime))).await.map(drop)
    }

    /// The entry that holds this value under this token, and its lifetime.
    fn entry_of<C, V>(&self, request: &Request, token: Token, value: &V) -> Result<(Bytes, std::time::Duration), Error>
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

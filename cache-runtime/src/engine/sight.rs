//! What a call sees at its key, and what it makes of that.

use std::pin::pin;

use bytes::Bytes;

use super::Engine;
use super::call::{Call, Step};
use super::flight::Reach;
use super::load::Reply;
use crate::entry::{self, Flags, Header, Lookup};
use crate::error::Error;
use crate::policy::freshness::{Refresh, Worth};
use crate::policy::lease;
use crate::report::Outcome;
use crate::scope::Mode;
use crate::site::Site;
use crate::store::{Backend, Store, Take};
use crate::{observe, random};

/// What a call saw at its key under a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A lease: its holder loads the value.
    #[default]
    Lease,
    /// A WRITE: there is no value to wait for before its writers have ended.
    Write,
    /// Either of them, which should be over by now: the store is asked whether it stands.
    Doubtful,
}

/// An entry to serve.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) bytes: Bytes,
    pub(super) header: Header,
    pub(super) outcome: Outcome,
    /// Whether it is loaded anew besides.
    pub(super) refresh: Refresh,
}

impl Found {
    /// Makes the answer of it; whether it could be decoded.
    pub(super) fn decode(&self, site: &Site, key: &str, engine: &Engine, answer: &mut dyn Reply) -> bool {
        let decoded = entry::payload(&self.bytes, &self.header, &engine.sizes).and_then(|payload| {
            if self.header.flags.has(Flags::NONE) {
                Ok(answer.none())
            } else if self.header.flags.has(Flags::FAILURE) {
                answer.decode_failure(engine.format, &payload)
            } else {
                answer.decode(engine.format, &payload).map(|()| true)
            }
        });
        if let Err(error) = &decoded {
            // Without the cause: what serde says of a value can contain it.
            observe::undecodable(site, key, error);
        }
        decoded.unwrap_or(false)
    }
}

impl Call {
    /// Looks into a store of this process, where there is nothing to wait for; `Some` is a value to serve.
    pub(crate) fn look_here(&mut self) -> Option<Found> {
        let Backend::Memory(memory) = &self.cache.engine().backend else { return None };
        let entry = (self.mode == Mode::Cached).then(|| memory.value(&self.request.key))??;
        let found = self.sight(Some(entry), Outcome::Hit);
        self.looked = found.is_none();
        found
    }

    /// Whether a call begins with a look into the store.
    pub(crate) fn looks(&self) -> bool {
        self.mode == Mode::Cached && !self.looked
    }

    /// Asks the store.
    pub(crate) async fn look(&mut self) -> Result<Option<Bytes>, Error> {
        let engine = self.cache.engine();
        if let Some(error) = engine.server(&self.request.key).refuses() {
            return Err(error);
        }
        if engine.pending.has(&self.request.key) {
            Box::pin(engine.invalidate_first(&mut self.budget, &self.request.key)).await?;
        }
        let get = pin!(engine.backend.get(&self.request.key));
        engine.step(&mut self.budget, "get", &self.request.key, get).await
    }

    /// Takes note of what the first look came to; there is no need for another.
    pub(crate) fn looked(&mut self, entry: Result<Option<Bytes>, Error>) -> Option<Step> {
        self.looked = true;
        self.notes(entry)
    }

    /// Takes note of what a look came to; `None` where there is nothing to serve.
    pub(super) fn notes(&mut self, entry: Result<Option<Bytes>, Error>) -> Option<Step> {
        match entry {
            Ok(entry) => self.sight(entry, Outcome::Hit).map(Step::Decode),
            Err(error) if self.refuses() => Some(Step::Refuse(error)),
            Err(error) => {
                self.goes_degraded("get", &error);
                None
            }
        }
    }

    /// Takes note of what is at the key; `Some` is a value to serve.
    pub(super) fn sight(&mut self, entry: Option<Bytes>, outcome: Outcome) -> Option<Found> {
        (self.saw, self.take, self.seen, self.foreign) = (None, Take::Missing, Seen::Lease, false);
        let (freshness, lease) = (self.request.freshness, self.request.lock.lease);
        let (engine, key, expected) = (self.cache.engine(), &self.request.key, self.expected);
        let now = || engine.backend.now(key);
        let lookup = match outcome {
            // What another caller wrote may be too long to store.
            Outcome::Coalesced => entry::classify(entry.as_deref(), key, expected, now),
            _ => engine.classify(entry.as_deref(), key, expected),
        };
        match (lookup, entry) {
            (Lookup::Fresh(header) | Lookup::Stale(header), Some(bytes)) if !self.trusts(outcome, &header) => {
                self.take = Take::Unusable(Bytes::copy_from_slice(entry::head(&bytes)));
            }
            (Lookup::Fresh(header), Some(bytes)) => match freshness.of_fresh(&header, lease, now, random::unit) {
                Worth::Serve(refresh) => return Some(Found { bytes, header, outcome, refresh }),
                Worth::Fallback | Worth::Expired => {}
            },
            (Lookup::Stale(header), Some(bytes)) => return self.sight_stale(header, &bytes),
            (Lookup::Pending(header), _) => self.sight_hold(header, Seen::Lease),
            (Lookup::Writing(header), _) => self.sight_hold(header, Seen::Write),
            (Lookup::Unusable(defect), Some(bytes)) => {
                observe::unusable(self.request.site, &self.request.key, defect);
                self.take = Take::Unusable(Bytes::copy_from_slice(entry::head(&bytes)));
            }
            (Lookup::Foreign, _) => {
                observe::foreign(self.request.site, &self.request.key);
                self.foreign = true;
            }
            _ => {}
        }
        None
    }

    /// Whether this entry may be used, after invalidations failed that it may be older than. What comes from this process
    /// may: these invalidations have ended the runs of their keys, and dropped the copies.
    fn trusts(&self, outcome: Outcome, header: &Header) -> bool {
        let is_of_this_process = outcome == Outcome::Coalesced || self.reach != Reach::Asks;
        is_of_this_process || self.cache.engine().trusts(self.at, &self.request.key, header)
    }

    /// Takes note of a value past its freshness; `Some` when it is served all the same.
    fn sight_stale(&mut self, header: Header, bytes: &Bytes) -> Option<Found> {
        let now = self.now();
        let found = |refresh| Found { bytes: bytes.clone(), header, outcome: Outcome::Stale, refresh };
        let lease = self.request.lock.lease;
        match self.request.freshness.of_stale(&header, lease, now) {
            Worth::Serve(refresh) => return Some(found(refresh)),
            Worth::Fallback => self.fallback = Some(found(Refresh::No)),
            Worth::Expired => {}
        }
        if lease::is_on(&header, now, lease) && !header.flags.has(Flags::HELD_OFF) {
            self.saw = Some(header.token);
        } else {
            self.take = Take::Refresh(Bytes::copy_from_slice(entry::head(bytes)));
        }
        None
    }

    /// Takes note of a LEASE or a WRITE. If it should be over, the call asks the store once whether it stands.
    fn sight_hold(&mut self, header: Header, seen: Seen) {
        self.saw = Some(header.token);
        let is_doubtful = self.confirmed != self.saw && lease::is_doubtful(&header, self.now());
        self.seen = if is_doubtful { Seen::Doubtful } else { seen };
    }

    /// Takes note of the entry that the store answered a request for the lease with: what it did not displace stands.
    /// `Some` is a value to serve.
    pub(super) fn lease_refused(&mut self, entry: Bytes) -> Option<Found> {
        self.confirmed = Header::decode(&entry).map(|header| header.token);
        self.sight(Some(entry), Outcome::Hit)
    }

    /// An entry could not be decoded: it is displaced.
    pub(crate) fn cannot_use(&mut self, found: &Found) {
        (self.saw, self.looked) = (None, true);
        self.take = Take::Unusable(Bytes::copy_from_slice(entry::head(&found.bytes)));
    }
}

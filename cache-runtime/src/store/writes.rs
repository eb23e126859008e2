//! What the begin, the renewal and the end of a write do to the bytes at a key: pure functions that a store applies
//! atomically. The Redis store says the same in Lua; the contract tests hold both to it.
//!
//! # Why a write has a beginning and an end
//!
//! A command whose answer was lost may still arrive, after whatever comes next. A bare "store this" that arrives after an
//! invalidation brings back what was invalidated. So a writer first leaves a mark, the WRITE, and its value is stored only
//! in the place of that very mark. Whatever else happens to the key removes or changes the mark, so a late command finds
//! nothing that it may turn into a value. `store::model` explores the orders in which these commands can arrive.
//!
//! # Two writers at once
//!
//! The cache cannot tell which of two overlapping writers changed the origin last. So neither of them stores its value:
//! the second one poisons the WRITE, and the key is empty once both have ended.
//!
//! # Why a command does no harm that arrives twice, or late
//!
//! - A begin whose writer is under way already changes only its deadline.
//! - Each begin that is sent carries a generation of its own, and must be executed at most once. Then a WRITE that is gone
//!   never comes back under its generation, and an end does not take the mark that a late begin has left for its own.
//! - An end that finds the WRITE of another generation poisons it, since its writer may have been overtaken by the one
//!   that ends. The end does not remove that WRITE: it protects the key if its writer is killed.
//! - An end that finds anything else in the place of its WRITE removes it, unless it is the value that the same end has
//!   stored before.

use std::time::Duration;

use bytes::Bytes;

use super::Expiry;
use crate::clock::Timestamp;
use crate::entry::{self, Header, Token, Writing};
use crate::error::Error;
use crate::policy::lease;

/// What a writer asks for before it changes what the value is loaded from.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    writer: Token,
    generation: Token,
    ttl: Duration,
    now: Timestamp,
    /// Whether a string that this library did not write may be overwritten.
    pub(super) overwrites_foreign: bool,
}

impl WriteRequest {
    pub(crate) fn new(writer: Token, generation: Token, ttl: Duration, now: Timestamp) -> Self {
        Self { writer, generation, ttl, now, overwrites_foreign: false }
    }

    /// The same request, which may overwrite a string that this library did not write, or may not.
    pub(crate) fn overwriting_foreign(self, overwrites_foreign: bool) -> Self {
        Self { overwrites_foreign, ..self }
    }

    /// The writer: the same one however often it asks.
    #[must_use]
    pub fn writer(&self) -> Token {
        self.writer
    }

    /// The generation of a WRITE that begins with this request. No two requests have the same one.
    #[must_use]
    pub fn generation(&self) -> Token {
        self.generation
    }

    /// How long the write lasts without renewal.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The WRITE of this writer alone.
    pub(super) fn alone(&self) -> Writing {
        Writing::new(self.generation, self.writer, self.now, self.ttl)
    }

    /// Writers whose deadline is before this time do not count any more.
    pub(super) fn overdue(&self) -> Timestamp {
        lease::overdue(self.now)
    }
}

/// What to write when a write begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The generation that the writer's end is to name.
    pub generation: Token,
    /// Write these bytes.
    pub entry: Bytes,
    /// With this expiry.
    pub expiry: Expiry,
}

/// What a writer leaves when it has changed what the value is loaded from, or has failed to.
#[derive(Clone, Debug)]
pub struct EndRequest {
    writer: Token,
    generation: Token,
    value: Option<(Bytes, Duration)>,
}

impl EndRequest {
    pub(crate) fn new(writer: Token, generation: Token, value: Option<(Bytes, Duration)>) -> Self {
        Self { writer, generation, value }
    }

    /// The writer, as it was named to [`begin_write`](super::Store::begin_write).
    #[must_use]
    pub fn writer(&self) -> Token {
        self.writer
    }

    /// The generation that [`begin_write`](super::Store::begin_write) returned.
    #[must_use]
    pub fn generation(&self) -> Token {
        self.generation
    }

    /// The entry to store, and for how long; `None` where there is nothing to store.
    #[must_use]
    pub fn value(&self) -> Option<&(Bytes, Duration)> {
        self.value.as_ref()
    }
}

/// What became of a write that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its value is stored.
    Stored,
    /// There was no value to store, and nothing is left at the key.
    Removed,
    /// Other writers were under way at the same time: none of their values is stored. Nothing is left at the key, or the
    /// WRITE of those that have not ended.
    Overlapped,
    /// The WRITE was gone (invalidated, expired or evicted). Nothing is left at the key.
    Lost,
}

/// What to do to the bytes at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Write these bytes, with this expiry.
    Write(Bytes, Expiry),
    /// Remove what is there, if anything is.
    Remove,
    /// Leave what is there.
    Leave,
}

/// Decides on a write that begins, given what is at the key now (expired entries are not) and how long it has left:
/// `None` is an entry without an expiry.
///
/// # Errors
///
/// Where a string is at the key that this library did not write, unless the cache allows that it is overwritten.
pub fn begin(current: Option<&[u8]>, left: Option<Duration>, request: &WriteRequest) -> Result<Begun, Error> {
    if current.is_some_and(entry::is_foreign) && !request.overwrites_foreign {
        return Err(Error::foreign());
    }
    let (ttl, now) = (request.ttl, request.now);
    let under_way = current.and_then(|entry| under_way(entry, left, request));
    let (writing, expiry) = match under_way {
        Some(mut writing) => {
            writing.join(request.writer, now, ttl);
            (writing, Expiry::AtLeast(ttl))
        }
        // A value, a lease, a write that is over, or bytes that are not ours: overwritten.
        None => (request.alone(), Expiry::In(ttl)),
    };
    Ok(Begun { generation: writing.generation(), entry: writing.encode(), expiry })
}

/// The write that the one that begins joins.
fn under_way(entry: &[u8], left: Option<Duration>, request: &WriteRequest) -> Option<Writing> {
    let mut writing = Writing::decode(entry)?;
    let stands = Header::decode(entry).is_some_and(|header| lease::stands(&header, left));
    (stands && writing.retain_live(request.overdue())).then_some(writing)
}

/// The WRITE in which the writer lasts until `ttl` from now, where it may still be under way.
#[must_use]
pub fn renew_write(current: Option<&[u8]>, writer: Token, ttl: Duration) -> Option<Bytes> {
    renew_write_at(current, writer, Timestamp::now(), ttl)
}

/// [`renew_write`], from then on.
pub(super) fn renew_write_at(current: Option<&[u8]>, writer: Token, now: Timestamp, ttl: Duration) -> Option<Bytes> {
    let mut writing = Writing::decode(current?)?;
    writing.renew(writer, now, ttl).then(|| writing.encode())
}

/// Decides on a write that ends, given what is at the key now.
#[must_use]
pub fn end(current: Option<&[u8]>, request: &EndRequest) -> (Ended, Change) {
    let EndRequest { writer, generation, value } = request;
    match (current.and_then(Writing::decode), value) {
        (Some(writing), Some((entry, ttl))) if writing.is_of(*writer, *generation) => {
            (Ended::Stored, Change::Write(entry.clone(), Expiry::In(*ttl)))
        }
        (Some(writing), None) if writing.is_of(*writer, *generation) => (Ended::Removed, Change::Remove),
        (Some(mut writing), _) => {
            let others_are_left = writing.leave(*writer);
            let keep = || Change::Write(writing.encode(), Expiry::AtLeast(Duration::ZERO));
            (Ended::Overlapped, if others_are_left { keep() } else { Change::Remove })
        }
        (None, Some(_)) if current.is_some_and(|entry| is_value_of(entry, *generation)) => {
            (Ended::Stored, Change::Leave)
        }
        // Another program has written there meanwhile.
        (None, _) if current.is_some_and(entry::is_foreign) => (Ended::Lost, Change::Leave),
        (None, _) => (Ended::Lost, Change::Remove),
    }
}

/// Whether this is the value that an end of this generation has stored.
fn is_value_of(entry: &[u8], generation: Token) -> bool {
    Header::decode(entry).is_some_and(|header| header.is_value() && header.token == generation)
}

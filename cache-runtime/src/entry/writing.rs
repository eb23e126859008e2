//! A WRITE: writers are changing what the value is loaded from. No value is stored meanwhile, except by a writer that no
//! other one has overlapped.
//!
//! The header is followed by the writers under way, 13 bytes each:
//!
//! ```text
//!  0  id     8 bytes, of the writer; 0 stands for all the writers that there was no room for
//!  8  until  5 bytes, ticks: a writer past its deadline does not count any more
//! ```
//!
//! # Why each writer has an id and a deadline of its own
//!
//! A command may arrive twice, or late. With a mere count of writers, a repeated END would take another writer's place
//! away; with ids it finds that its writer has left. A writer that was killed never ends. If its place went only with the
//! whole WRITE, later writers would extend the WRITE for as long as they keep coming, and the key would never have a value
//! again. So a writer that joins drops the writers whose deadline has passed.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{HEADER_LEN, Header, Kind, Token, lifetime, read_ticks};
use super::{Flags, rest};
use crate::clock::Timestamp;

/// The bytes of a writer.
const WRITER_LEN: usize = 13;

/// How many writers have a place of their own. Writers beyond that share one place, which no END frees: until its deadline
/// has passed, the WRITE stays and is poisoned. Raising the bound makes that rarer, and makes the entry longer that these
/// writers read and write: 64 of them take 832 bytes.
pub(crate) const MAX_WRITERS: usize = 64;

/// Stands for the writers that there was no room for.
const OTHERS: Token = Token([0; 8]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Writer {
    id: Token,
    until: Timestamp,
}

/// A decoded WRITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writing {
    generation: Token,
    poisoned: bool,
    /// How long it lasts without renewal, in ticks.
    lifetime: u32,
    writers: Vec<Writer>,
}

impl Writing {
    /// The WRITE of one writer that begins at `now`.
    pub(crate) fn new(generation: Token, writer: Token, now: Timestamp, ttl: Duration) -> Self {
        let mut writing = Self { generation, poisoned: false, lifetime: 0, writers: Vec::new() };
        writing.join(writer, now, ttl);
        writing
    }

    /// Reads an entry; `None` where it is not a WRITE.
    pub(crate) fn decode(entry: &[u8]) -> Option<Self> {
        let header = Header::decode(entry).filter(|header| header.kind == Kind::Write)?;
        let (writers, cut) = rest(entry).as_chunks::<WRITER_LEN>();
        let is_whole = cut.is_empty() && !writers.is_empty() && rest(entry).len() == usize::from(header.extra);
        let writer =
            |[id @ .., a, b, c, d, e]: [u8; WRITER_LEN]| Writer { id: Token(id), until: read_ticks([a, b, c, d, e]) };
        is_whole.then(|| Self {
            generation: header.token,
            poisoned: header.flags.has(Flags::POISONED),
            lifetime: header.lifetime,
            writers: writers.iter().copied().map(writer).collect(),
        })
    }

    /// The entry.
    pub(crate) fn encode(&self) -> Bytes {
        let extra = self.writers.len() * WRITER_LEN;
        let lease_until = self.writers.iter().map(|writer| writer.until).max().unwrap_or_default();
        let header = Header {
            kind: Kind::Write,
            flags: if self.poisoned { Flags::POISONED } else { Flags::default() },
            token: self.generation,
            lease_until,
            lifetime: self.lifetime,
            extra: u16::try_from(extra).unwrap_or(u16::MAX),
            ..Header::default()
        };
        let mut entry = BytesMut::with_capacity(HEADER_LEN + extra);
        header.encode(&mut entry);
        for writer in &self.writers {
            entry.put_slice(writer.id.as_bytes());
            entry.put_uint(writer.until.ticks(), 5);
        }
        entry.freeze()
    }

    pub(crate) fn generation(&self) -> Token {
        self.generation
    }

    /// Whether this is the write of exactly this writer, and nobody else has written since it began.
    pub(crate) fn is_of(&self, writer: Token, generation: Token) -> bool {
        let is_alone = matches!(&self.writers[..], [only] if only.id == writer);
        is_alone && self.generation == generation && !self.poisoned
    }

    /// Drops the writers whose deadline was before `overdue`. Returns whether any is left.
    pub(crate) fn retain_live(&mut self, overdue: Timestamp) -> bool {
        self.writers.retain(|writer| writer.until >= overdue);
        !self.writers.is_empty()
    }

    /// Adds a writer that begins. If it is under way already, only its deadline changes.
    pub(crate) fn join(&mut self, writer: Token, now: Timestamp, ttl: Duration) {
        if self.extend(writer, now, ttl) {
            return;
        }
        self.poisoned = !self.writers.is_empty();
        let places = self.writers.iter().filter(|writer| writer.id != OTHERS).count();
        let id = if places < MAX_WRITERS { writer } else { OTHERS };
        if !self.extend(id, now, ttl) {
            self.lifetime = self.lifetime.max(lifetime(ttl));
            self.writers.push(Writer { id, until: now.after(ttl) });
        }
    }

    /// Gives a writer `ttl` from `now` on. Returns whether it may still be under way.
    pub(crate) fn renew(&mut self, writer: Token, now: Timestamp, ttl: Duration) -> bool {
        self.extend(writer, now, ttl) || self.extend(OTHERS, now, ttl)
    }

    /// Removes a writer that ends without storing its value. Returns whether others are under way; they must not store
    /// their values either.
    ///
    /// The generation changes, so that a reader that sees the same one twice knows that no writer has ended in between.
    pub(crate) fn leave(&mut self, writer: Token) -> bool {
        self.writers.retain(|other| other.id != writer);
        self.poisoned = true;
        if let Some(count) = self.generation.0.last_chunk_mut() {
            *count = u32::from_be_bytes(*count).wrapping_add(1).to_be_bytes();
        }
        !self.writers.is_empty()
    }

    fn extend(&mut self, id: Token, now: Timestamp, ttl: Duration) -> bool {
        let Some(writer) = self.writers.iter_mut().find(|writer| writer.id == id) else { return false };
        writer.until = writer.until.max(now.after(ttl));
        self.lifetime = self.lifetime.max(lifetime(ttl));
        true
    }
}

/// What models look at, and change.
#[cfg(test)]
impl Writing {
    /// The deadline of a writer that is under way.
    pub(crate) fn deadline_of(&self, writer: Token) -> Option<Timestamp> {
        self.writers.iter().find(|other| other.id == writer).map(|writer| writer.until)
    }

    /// The same WRITE, with the deadline of a writer in the past.
    pub(crate) fn overdue(mut self, writer: Token) -> Self {
        for other in self.writers.iter_mut().filter(|other| other.id == writer) {
            other.until = Timestamp::default();
        }
        self
    }
}

//! What an entry is worth to a reader.
//!
//! # Which strings are ours
//!
//! A key belongs to whoever writes a program and its keys, and a string at it may be another program's: the hand-written
//! cache that this one replaces, a counter, a session. What this library writes begins with the byte `0xCA`, in each of
//! its versions; every other string is foreign, and so is the empty one. JSON never begins with that byte, a text only
//! with a phonetic letter (U+0280 to U+02BF), and `MessagePack` only where it is one 32-bit float.
//!
//! A foreign string is left alone, and the function runs without the cache: overwriting a cache entry costs a run,
//! overwriting somebody's data costs the data. What begins with the byte and cannot be read is an entry of another
//! version or a damaged one, and is overwritten.

use super::{Flags, Header, Kind, Schema, checksum, header};
use crate::clock::Timestamp;
use crate::codec::{Fingerprint, Shape};

/// What a reader can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) value: Schema,
    /// The fingerprint of errors, where they are stored.
    pub(crate) failure: Option<Fingerprint>,
    /// Which shapes of the type.
    pub(crate) shape: Shape,
}

impl From<Schema> for Expected {
    fn from(value: Schema) -> Self {
        Self { value, ..Self::default() }
    }
}

/// What a reader finds at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A value to serve.
    Fresh(Header),
    /// A value past its freshness, maybe with a refresh lease on it.
    Stale(Header),
    /// No value yet: the holder of this lease is loading it.
    Pending(Header),
    /// No value: writers are changing what it is loaded from.
    Writing(Header),
    /// An entry that this reader cannot use: it is overwritten.
    Unusable(Defect),
    /// A string that this library did not write.
    Foreign,
    /// Nothing.
    Missing,
}

/// Why an entry cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    Foreign,
    TooLong,
    Version,
    Codec,
    Failure,
    Name,
    Shape,
    Damaged,
    Undecodable,
}

impl Defect {
    pub(crate) const COUNT: usize = Self::Undecodable as usize + 1;

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "not written by this library",
            Self::TooLong => "longer than `max_entry_bytes`",
            Self::Version => "not an entry of this format version",
            Self::Codec => "written with another codec",
            Self::Failure => "an error, and this function stores none",
            Self::Name => "written from a type of another name",
            Self::Shape => "written from another shape of the type",
            Self::Damaged => "damaged, or written at another key",
            Self::Undecodable => "cannot be decoded",
        }
    }
}

/// Whether this library did not write these bytes.
pub(crate) fn is_foreign(bytes: &[u8]) -> bool {
    bytes.first() != Some(&header::MAGIC)
}

/// Decides what the entry at a key is worth to a reader that can read what is `expected`. For most entries the time is
/// not needed, and `now` is not called.
pub(crate) fn classify(entry: Option<&[u8]>, key: &str, expected: Expected, now: impl Fn() -> Timestamp) -> Lookup {
    let Some(bytes) = entry else { return Lookup::Missing };
    let Some(header) = Header::decode(bytes) else {
        return if is_foreign(bytes) { Lookup::Foreign } else { Lookup::Unusable(Defect::Version) };
    };
    match header.kind {
        Kind::Value => {}
        Kind::Lease => return Lookup::Pending(header),
        Kind::Write => return Lookup::Writing(header),
    }
    if let Some(defect) = mismatch(&header, expected) {
        return Lookup::Unusable(defect);
    }
    if !checksum::holds(bytes, key, header.flags) {
        return Lookup::Unusable(Defect::Damaged);
    }
    if header.flags.has(Flags::OUTLIVES) && now() >= header.fresh_until {
        return Lookup::Stale(header);
    }
    Lookup::Fresh(header)
}

/// What keeps a reader from reading a value of this header.
fn mismatch(Header { flags, schema, .. }: &Header, Expected { value, failure, shape }: Expected) -> Option<Defect> {
    let readable = if flags.has(Flags::FAILURE) { failure.map(|failure| value.of(failure)) } else { Some(value) };
    let Some(readable) = readable else { return Some(Defect::Failure) };
    if schema.codec != readable.codec {
        Some(Defect::Codec)
    } else if schema.name != readable.name {
        Some(Defect::Name)
    } else if schema.shape != readable.shape && shape == Shape::Exact {
        Some(Defect::Shape)
    } else {
        None
    }
}

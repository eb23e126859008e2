//! What an entry is worth to a reader.

use super::{Flags, Header, Kind, Schema, checksum};
use crate::clock::Timestamp;

/// What a reader can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) value: Schema,
    /// The digest of the shape of errors, where they are stored.
    pub(crate) failure: Option<u32>,
}

impl From<Schema> for Expected {
    fn from(value: Schema) -> Self {
        Self { value, failure: None }
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
    /// Bytes that this reader cannot use, and why: they are overwritten.
    Unusable(&'static str),
    /// Nothing.
    Missing,
}

/// Decides what the entry at a key is worth to a reader that can read what is `expected`. For most entries the time is
/// not needed, and `now` is not called.
pub(crate) fn classify(entry: Option<&[u8]>, key: &str, expected: Expected, now: impl Fn() -> Timestamp) -> Lookup {
    let Some(bytes) = entry else { return Lookup::Missing };
    let Some(header) = Header::decode(bytes) else {
        return Lookup::Unusable("not an entry of this format version");
    };
    match header.kind {
        Kind::Value => {}
        Kind::Lease => return Lookup::Pending(header),
        Kind::Write => return Lookup::Writing(header),
    }
    if header.schema.codec != expected.value.codec {
        return Lookup::Unusable("written with another codec");
    }
    let shape = if header.flags.has(Flags::FAILURE) { expected.failure } else { Some(expected.value.shape) };
    if Some(header.schema.shape) != shape {
        return Lookup::Unusable("written from another shape of the type");
    }
    if !checksum::holds(bytes, key, header.flags) {
        return Lookup::Unusable("damaged, or written at another key");
    }
    if header.flags.has(Flags::OUTLIVES) && now() >= header.fresh_until {
        return Lookup::Stale(header);
    }
    Lookup::Fresh(header)
}

//! What an entry is worth to a reader.

use super::{Expected, Flags, Header, Token, checksum};
use crate::clock::Timestamp;

/// What a reader finds at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A value to serve.
    Fresh(Header),
    /// A value past its freshness, maybe with a refresh lease on it.
    Stale(Header),
    /// No value yet: the holder of this token is loading it.
    Pending(Token),
    /// Bytes that this reader cannot use, and why: they are overwritten.
    Unusable(&'static str),
    /// Nothing.
    Missing,
}

/// Decides what the entry at a key is worth to a reader that can read what is `expected`. Most entries do not make it
/// ask for the time.
pub(crate) fn classify(entry: Option<&[u8]>, key: &str, expected: Expected, now: impl Fn() -> Timestamp) -> Lookup {
    let Some(bytes) = entry else { return Lookup::Missing };
    let Some(header) = Header::decode(bytes) else {
        return Lookup::Unusable("not an entry of this format version");
    };
    if !header.flags.has(Flags::PAYLOAD) {
        return Lookup::Pending(header.token);
    }
    if header.schema.codec != expected.value.codec {
        return Lookup::Unusable("written with another codec");
    }
    let fingerprint =
        if header.flags.has(Flags::FAILURE) { expected.failure } else { Some(expected.value.fingerprint) };
    if Some(header.schema.fingerprint) != fingerprint {
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

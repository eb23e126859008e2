//! The bytes of an entry: a 32-byte header, then the payload.
//!
//! ```text
//!  0  magic        0xCA
//!  1  version      1
//!  2  codec        1 byte, see `CodecId`
//!  3  flags        bit 0 PAYLOAD, bit 1 LEASED, bit 2 OUTLIVES, bit 3 HELD_OFF, bit 4 NONE, bit 5 FAILURE; a bit that
//!                  is not known makes the entry unusable
//!  4  token        8 bytes, of the fill that holds the lease or wrote the payload
//! 12  lease until  5 bytes, ticks of 10 ms since the Unix epoch (all numbers are big-endian); with HELD_OFF, until when
//!                  the origin is left alone
//! 17  fresh until  5 bytes, likewise
//! 22  lifetime     4 bytes, ticks: fresh until minus lifetime is when the value was stored
//! 26  load cost    2 bytes, ticks that the last load took, saturating (655 s)
//! 28  fingerprint  4 bytes, of the value's type and codec
//! 32  payload      only when PAYLOAD is set
//! ```
//!
//! Flags, token and lease deadline lie side by side, so that one `SETRANGE` puts a refresh lease on a value. A fleet
//! that is being deployed reads this layout: it changes by a new version only, and the golden tests below hold it.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::clock::{self, Timestamp};
use crate::random;

/// Length of the header, and so of an entry that is only a lease.
pub const HEADER_LEN: usize = 32;

/// Where the deadline of a lease stands.
pub(crate) const LEASE_UNTIL: std::ops::Range<usize> = 12..17;

const MAGIC: u8 = 0xCA;
const VERSION: u8 = 1;

/// Names one fill: whoever holds the lease commits with it, and a committed value keeps it as its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub(crate) [u8; 8]);

impl Token {
    /// A token that no other fill has.
    pub(crate) fn random() -> Self {
        Self(random::bits().to_be_bytes())
    }

    /// The bytes as they stand in the header, at offset 4.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// The flag bits of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// A value follows the header.
    pub(crate) const PAYLOAD: Self = Self(1);
    /// Somebody is loading: the token and the lease deadline are theirs.
    pub(crate) const LEASED: Self = Self(1 << 1);
    /// The key outlives the freshness of the value, so readers must look at `fresh until`. Without it presence is
    /// freshness, and no reader's clock matters.
    pub(crate) const OUTLIVES: Self = Self(1 << 2);
    /// A load failed: until the lease deadline nobody tries again, and the value is served as it is.
    pub(crate) const HELD_OFF: Self = Self(1 << 3);
    /// The payload is empty and stands for `None`.
    pub(crate) const NONE: Self = Self(1 << 4);
    /// The payload is the error that the function returned.
    pub(crate) const FAILURE: Self = Self(1 << 5);
    const KNOWN: u8 = 0b11_1111;

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) const fn with(self, flag: Self) -> Self {
        Self(self.0 | flag.0)
    }

    pub(crate) const fn without(self, flag: Self) -> Self {
        Self(self.0 & !flag.0)
    }
}

/// What says how to read a payload: the codec, and the shape of the type it encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) codec: u8,
    pub(crate) fingerprint: u32,
}

/// What a reader can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) value: Schema,
    /// The fingerprint of errors, where they are stored.
    pub(crate) failure: Option<u32>,
}

impl From<Schema> for Expected {
    fn from(value: Schema) -> Self {
        Self { value, failure: None }
    }
}

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) schema: Schema,
    pub(crate) flags: Flags,
    pub(crate) token: Token,
    pub(crate) lease_until: Timestamp,
    pub(crate) fresh_until: Timestamp,
    pub(crate) lifetime: u32,
    pub(crate) load_cost: u16,
}

impl Header {
    /// The header of an entry that is only a lease.
    pub(crate) fn lease(token: Token, until: Timestamp) -> Self {
        Self {
            schema: Schema::default(),
            flags: Flags::LEASED,
            token,
            lease_until: until,
            fresh_until: Timestamp::default(),
            lifetime: 0,
            load_cost: 0,
        }
    }

    /// The header of a value stored at `now` and fresh for `ttl`.
    pub(crate) fn value(schema: Schema, token: Token, now: Timestamp, ttl: Duration) -> Self {
        Self {
            schema,
            flags: Flags::PAYLOAD,
            token,
            lease_until: Timestamp::default(),
            fresh_until: now.after(ttl),
            lifetime: u32::try_from(clock::ticks(ttl)).unwrap_or(u32::MAX),
            load_cost: 0,
        }
    }

    /// The same header, of a value that took so long to load.
    pub(crate) fn costing(mut self, load: Duration) -> Self {
        self.load_cost = u16::try_from(clock::ticks(load)).unwrap_or(u16::MAX);
        self
    }

    /// Reads the first 32 bytes; `None` where they are not a header of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let (flags, payload) = (Flags(bytes[3]), Flags::PAYLOAD);
        let known = bytes[0] == MAGIC && bytes[1] == VERSION && flags.0 & !Flags::KNOWN == 0;
        (known && (flags.has(payload) || flags.has(Flags::LEASED))).then(|| Self {
            schema: Schema {
                codec: bytes[2],
                fingerprint: u32::from_be_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]),
            },
            flags,
            token: Token([bytes[4], bytes[5], bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11]]),
            lease_until: read_ticks([bytes[12], bytes[13], bytes[14], bytes[15], bytes[16]]),
            fresh_until: read_ticks([bytes[17], bytes[18], bytes[19], bytes[20], bytes[21]]),
            lifetime: u32::from_be_bytes([bytes[22], bytes[23], bytes[24], bytes[25]]),
            load_cost: u16::from_be_bytes([bytes[26], bytes[27]]),
        })
    }

    /// Appends the 32 bytes.
    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&[MAGIC, VERSION, self.schema.codec, self.flags.0]);
        out.put_slice(&self.token.0);
        out.put_uint(self.lease_until.ticks(), 5);
        out.put_uint(self.fresh_until.ticks(), 5);
        out.put_u32(self.lifetime);
        out.put_u16(self.load_cost);
        out.put_u32(self.schema.fingerprint);
    }

    /// The same header, of a key that lives for longer than its value is fresh.
    pub(crate) fn outliving(mut self) -> Self {
        self.flags = self.flags.with(Flags::OUTLIVES);
        self
    }

    /// When the value was stored.
    pub(crate) fn stored(&self) -> Timestamp {
        Timestamp::from_ticks(self.fresh_until.ticks().saturating_sub(self.lifetime.into()))
    }

    /// How long ago the value was stored.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.after(clock::from_ticks(self.lifetime.into())).since(self.fresh_until)
    }

    /// An entry of this header and no payload.
    pub(crate) fn alone(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEADER_LEN);
        self.encode(&mut bytes);
        bytes.freeze()
    }

    /// The same entry under this header: the payload of `entry` behind it.
    pub(crate) fn over(&self, entry: &[u8]) -> Bytes {
        let mut bytes = BytesMut::with_capacity(entry.len().max(HEADER_LEN));
        self.encode(&mut bytes);
        bytes.extend_from_slice(payload(entry));
        bytes.freeze()
    }
}

fn read_ticks(bytes: [u8; 5]) -> Timestamp {
    Timestamp::from_ticks(bytes.iter().fold(0, |ticks, byte| ticks << 8 | u64::from(*byte)))
}

/// What stands behind the header.
pub(crate) fn payload(entry: &[u8]) -> &[u8] {
    entry.get(HEADER_LEN..).unwrap_or_default()
}

/// The start of an entry that identifies it well enough to replace exactly it.
pub(crate) fn head(entry: &[u8]) -> &[u8] {
    entry.get(..HEADER_LEN).unwrap_or(entry)
}

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

/// Decides what an entry is worth to a reader that can read what is `expected`. Most entries do not make it ask for the
/// time.
pub(crate) fn classify(entry: Option<&[u8]>, expected: Expected, now: impl Fn() -> Timestamp) -> Lookup {
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
    if header.flags.has(Flags::OUTLIVES) && now() >= header.fresh_until {
        return Lookup::Stale(header);
    }
    Lookup::Fresh(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = Schema { codec: 1, fingerprint: 0xDEAD_BEEF };
    const TOKEN: Token = Token(*b"\x01\x02\x03\x04\x05\x06\x07\x08");

    fn value() -> Header {
        Header {
            schema: SCHEMA,
            flags: Flags::PAYLOAD,
            token: TOKEN,
            lease_until: Timestamp::default(),
            fresh_until: Timestamp::from_ticks(0x1_0203_0405),
            lifetime: 60_000,
            load_cost: 21,
        }
    }

    fn bytes(header: &Header, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn golden_value_version_1() {
        let golden = b"\xCA\x01\x01\x01\x01\x02\x03\x04\x05\x06\x07\x08\
                       \x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x00\x00\xEA\x60\x00\x15\xDE\xAD\xBE\xEF{}";
        assert_eq!(bytes(&value(), b"{}"), golden);
        assert_eq!(Header::decode(golden), Some(value()));
        assert_eq!(payload(golden), b"{}");
    }

    #[test]
    fn golden_lease_version_1() {
        let golden = b"\xCA\x01\x00\x02\x01\x02\x03\x04\x05\x06\x07\x08\
                       \x00\x00\x00\x00\x2A\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        let lease = Header::lease(TOKEN, Timestamp::from_ticks(42));
        assert_eq!(&lease.alone()[..], golden);
        assert_eq!(Header::decode(golden), Some(lease));
    }

    #[test]
    fn a_reader_takes_only_what_it_can_read() {
        let now = Timestamp::from_ticks(5);
        let classify = |bytes: &[u8]| classify(Some(bytes), SCHEMA.into(), || now);
        assert_eq!(super::classify(None, SCHEMA.into(), || now), Lookup::Missing);
        assert_eq!(classify(&bytes(&value(), b"x")), Lookup::Fresh(value()));
        assert_eq!(classify(&Header::lease(TOKEN, now).alone()), Lookup::Pending(TOKEN));
        for foreign in [&b""[..], b"{\"id\":7}", &bytes(&value(), b"")[..31], &[0xCA; 40]] {
            assert!(matches!(classify(foreign), Lookup::Unusable(_)), "{foreign:?}");
        }
        for (offset, what) in [(1, "version"), (2, "codec"), (3, "flags"), (28, "fingerprint")] {
            let mut other = bytes(&value(), b"x");
            other[offset] ^= 0x40;
            assert!(matches!(classify(&other), Lookup::Unusable(_)), "another {what} is served");
        }
    }

    #[test]
    fn freshness_is_judged_by_the_clock_only_where_the_key_outlives_it() {
        let late = Timestamp::from_ticks(u64::MAX);
        assert!(matches!(classify(Some(&bytes(&value(), b"x")), SCHEMA.into(), || late), Lookup::Fresh(_)));
        let outliving = bytes(&value().outliving(), b"x");
        assert!(matches!(classify(Some(&outliving), SCHEMA.into(), || late), Lookup::Stale(_)));
    }

    #[test]
    fn an_error_is_read_only_by_who_stores_that_error() {
        let mut failure = value();
        failure.flags = failure.flags.with(Flags::FAILURE);
        let failure = bytes(&failure, b"x");
        let classify = |failure_of| {
            let expected = Expected { value: SCHEMA, failure: failure_of };
            classify(Some(&failure), expected, || Timestamp::from_ticks(5))
        };
        assert!(matches!(classify(Some(SCHEMA.fingerprint)), Lookup::Fresh(_)));
        assert!(matches!(classify(Some(1)), Lookup::Unusable(_)));
        assert!(matches!(classify(None), Lookup::Unusable(_)));
    }
}

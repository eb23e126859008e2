//! The fixed part of an entry.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::{checksum, rest};
use crate::clock::{self, Timestamp};
use crate::codec::Fingerprint;
use crate::random;

/// Length of the header, and so of an entry that is only a lease.
pub const HEADER_LEN: usize = 48;

/// Where the flags, the token and the lease deadline are: the bytes that a refresh lease rewrites in place.
pub(crate) const FLAGS: usize = 3;

/// Where the deadline of a lease or of a WRITE is.
pub(crate) const LEASE_UNTIL: std::ops::Range<usize> = 12..17;

/// From the deadline of a LEASE to its lifetime: the bytes that a renewal rewrites. Between the two there are zeros.
pub(crate) const LEASE_TIMES: std::ops::Range<usize> = 12..26;

/// The first byte of every entry.
pub(crate) const MAGIC: u8 = 0xCA;
/// The second byte: the newest version of this layout.
pub(crate) const VERSION: u8 = 2;

/// Names one fill, one writer or one generation of a write. The holder of a lease commits with its token, and a value
/// that was committed or put keeps the token that it was stored under as its version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token(pub(crate) [u8; 8]);

impl Token {
    /// A token that nobody else has.
    pub(crate) fn random() -> Self {
        Self(random::bits().to_be_bytes())
    }

    /// The bytes as they are in the header, at offset 4.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value, which may have a refresh lease on it.
    #[default]
    Value = 0,
    /// A lease: the holder of the token loads the value.
    Lease = 1,
    /// Writers are changing what the value is loaded from. The token is the generation of the write; the writers follow
    /// the header: see [`Writing`](super::Writing).
    Write = 2,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Value),
            1 => Some(Self::Lease),
            2 => Some(Self::Write),
            _ => None,
        }
    }
}

/// The flag bits of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// The value is being loaded: the token and the lease deadline are those of the load.
    pub(crate) const LEASED: Self = Self(1);
    /// The key outlives the freshness of the value, so readers must look at `fresh until`. Without it presence is
    /// freshness, and no reader's clock matters.
    pub(crate) const OUTLIVES: Self = Self(1 << 1);
    /// A load failed: the value is not loaded again before the lease deadline, and is served as it is.
    pub(crate) const HELD_OFF: Self = Self(1 << 2);
    /// The payload is empty and stands for `None`.
    pub(crate) const NONE: Self = Self(1 << 3);
    /// The payload is the error that the function returned.
    pub(crate) const FAILURE: Self = Self(1 << 4);
    /// The payload is compressed.
    pub(crate) const COMPRESSED: Self = Self(1 << 5);
    /// Writers overlapped: none of them may store its value.
    pub(crate) const POISONED: Self = Self(1 << 6);

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) const fn with(self, flag: Self) -> Self {
        Self(self.0 | flag.0)
    }

    /// Those of these flags that are set.
    pub(super) const fn only(self, flags: Self) -> Self {
        Self(self.0 & flags.0)
    }

    pub(crate) const fn without(self, flag: Self) -> Self {
        Self(self.0 & !flag.0)
    }

    /// The flags that an entry of this kind can have.
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Value => Self(0b0011_1111),
            Kind::Lease => Self::LEASED,
            Kind::Write => Self::POISONED,
        }
    }

    pub(super) const fn byte(self) -> u8 {
        self.0
    }
}

/// How a payload is read: the codec, and digests of what was encoded. They are separate because they excuse different
/// changes: a reader may accept another shape of a type, never a type of another name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) codec: u8,
    /// Of the names of the outermost types in it.
    pub(crate) name: u32,
    /// Of the calls that the type makes of its deserializer.
    pub(crate) shape: u32,
    /// Of the tag templates of the function; 0 without tags.
    pub(crate) tags: u32,
}

impl Schema {
    /// The same schema, of another type.
    pub(crate) fn of(self, Fingerprint { name, shape }: Fingerprint) -> Self {
        Self { name, shape, ..self }
    }
}

/// A decoded header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    pub(crate) token: Token,
    pub(crate) lease_until: Timestamp,
    pub(crate) fresh_until: Timestamp,
    /// In ticks: how long the value is fresh, or how long the LEASE or the WRITE lasts without renewal.
    pub(crate) lifetime: u32,
    pub(crate) load_cost: u16,
    pub(crate) schema: Schema,
    /// How many bytes there are between the header and the payload.
    pub(crate) extra: u16,
}

impl Header {
    /// The header of an entry that is only a lease, taken at `now` and held for `ttl` unless it is renewed.
    pub(crate) fn lease(token: Token, now: Timestamp, ttl: Duration) -> Self {
        let (kind, lease_until, lifetime) = (Kind::Lease, now.after(ttl), lifetime(ttl));
        Self { kind, flags: Flags::LEASED, token, lease_until, lifetime, ..Self::default() }
    }

    /// The header of a value stored at `now` and fresh for `ttl`.
    pub(crate) fn value(schema: Schema, token: Token, now: Timestamp, ttl: Duration) -> Self {
        Self { token, fresh_until: now.after(ttl), lifetime: lifetime(ttl), schema, ..Self::default() }
    }

    /// The same header, of a value that took so long to load.
    pub(crate) fn costing(mut self, load: Duration) -> Self {
        self.load_cost = u16::try_from(clock::ticks(load)).unwrap_or(u16::MAX);
        self
    }

    /// Reads the header; `None` where these bytes are not an entry of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let [MAGIC, VERSION, kind, flags, ..] = *bytes else { return None };
        let (kind, flags) = (Kind::of(kind)?, Flags(flags));
        // A reserved bit that is set says something that this version cannot read.
        let is_known = flags == flags.only(Flags::of(kind)) && bytes[29] == 0;
        let header = Self {
            kind,
            flags,
            token: Token(array(bytes, 4)),
            lease_until: read_ticks(array(bytes, LEASE_UNTIL.start)),
            fresh_until: read_ticks(array(bytes, 17)),
            lifetime: u32::from_be_bytes(array(bytes, 22)),
            load_cost: u16::from_be_bytes(array(bytes, 26)),
            schema: Schema {
                codec: bytes[28],
                name: u32::from_be_bytes(array(bytes, 32)),
                shape: u32::from_be_bytes(array(bytes, 36)),
                tags: u32::from_be_bytes(array(bytes, 40)),
            },
            extra: u16::from_be_bytes(array(bytes, 30)),
        };
        let is_whole = match kind {
            Kind::Value => true,
            Kind::Lease => flags.has(Flags::LEASED) && header.extra == 0 && header.has_no_value(bytes),
            Kind::Write => header.has_no_value(bytes),
        };
        (is_known && is_whole).then_some(header)
    }

    /// Whether all that only a value has is zero: a value whose kind is damaged is neither a LEASE nor a WRITE.
    fn has_no_value(&self, bytes: &[u8; HEADER_LEN]) -> bool {
        let Self { fresh_until, load_cost, schema, .. } = *self;
        (fresh_until, load_cost, schema) == Default::default() && bytes[checksum::AT] == [0; 4]
    }

    /// Appends the header, with a checksum of zero.
    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&[MAGIC, VERSION, self.kind as u8, self.flags.0]);
        out.put_slice(&self.token.0);
        out.put_uint(self.lease_until.ticks(), 5);
        out.put_uint(self.fresh_until.ticks(), 5);
        out.put_u32(self.lifetime);
        out.put_u16(self.load_cost);
        out.put_slice(&[self.schema.codec, 0]);
        out.put_u16(self.extra);
        out.put_u32(self.schema.name);
        out.put_u32(self.schema.shape);
        out.put_u32(self.schema.tags);
        out.put_u32(0);
    }

    /// The same header, of a key that lives for longer than its value is fresh.
    pub(crate) fn outliving(mut self) -> Self {
        self.flags = self.flags.with(Flags::OUTLIVES);
        self
    }

    /// Whether the entry is a value.
    pub(crate) fn is_value(&self) -> bool {
        self.kind == Kind::Value
    }

    /// When the value was stored.
    pub(crate) fn stored(&self) -> Timestamp {
        Timestamp::from_ticks(self.fresh_until.ticks().saturating_sub(self.lifetime.into()))
    }

    /// How long ago the value was stored.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.after(clock::from_ticks(self.lifetime.into())).since(self.fresh_until)
    }

    /// An entry that is this header and nothing else.
    pub(crate) fn alone(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEADER_LEN);
        self.encode(&mut bytes);
        bytes.freeze()
    }

    /// `entry` under this header: its checksum, and what follows its header, stay.
    pub(crate) fn over(&self, entry: &[u8]) -> Bytes {
        let mut bytes = BytesMut::with_capacity(entry.len().max(HEADER_LEN));
        self.encode(&mut bytes);
        if let (Some(into), Some(from)) = (bytes.get_mut(checksum::AT), entry.get(checksum::AT)) {
            into.copy_from_slice(from);
        }
        bytes.extend_from_slice(rest(entry));
        bytes.freeze()
    }
}

/// A lifetime as the header has it.
pub(super) fn lifetime(ttl: Duration) -> u32 {
    u32::try_from(clock::ticks(ttl)).unwrap_or(u32::MAX)
}

/// `N` bytes of a header from this offset on, which is a constant below `HEADER_LEN - N`.
fn array<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    std::array::from_fn(|index| header[at + index])
}

pub(super) fn read_ticks(bytes: [u8; 5]) -> Timestamp {
    Timestamp::from_ticks(bytes.iter().fold(0, |ticks, byte| ticks << 8 | u64::from(*byte)))
}

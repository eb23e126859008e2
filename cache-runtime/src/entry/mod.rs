//! The bytes of an entry: a 32-byte header, and behind it, where there is a value, its checksum and its payload.
//!
//! ```text
//!  0  magic        0xCA
//!  1  version      1
//!  2  codec        1 byte, see `CodecId`
//!  3  flags        bit 0 PAYLOAD, bit 1 LEASED, bit 2 OUTLIVES, bit 3 HELD_OFF, bit 4 NONE, bit 5 FAILURE,
//!                  bit 6 COMPRESSED; a bit that is not known makes the entry unusable
//!  4  token        8 bytes, of the fill that holds the lease or wrote the payload
//! 12  lease until  5 bytes, ticks of 10 ms since the Unix epoch (all numbers are big-endian); with HELD_OFF, until when
//!                  the origin is left alone
//! 17  fresh until  5 bytes, likewise
//! 22  lifetime     4 bytes, ticks: fresh until minus lifetime is when the value was stored
//! 26  load cost    2 bytes, ticks that the last load took, saturating (655 s)
//! 28  fingerprint  4 bytes, of the value's type and codec
//! 32  checksum     4 bytes, only when PAYLOAD is set: see `checksum`
//! 36  payload      likewise; with COMPRESSED: its length, and an LZ4 block
//! ```
//!
//! Flags, token and lease deadline lie side by side, so that one `SETRANGE` puts a refresh lease on a value. A fleet
//! that is being deployed reads this layout: it changes by a new version only, and the golden tests below hold it.

mod checksum;
mod lookup;
#[cfg_attr(not(feature = "lz4"), path = "no_packing.rs")]
mod packing;
mod sizes;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

pub(crate) use self::lookup::{Lookup, classify};
pub(crate) use self::sizes::{MAX_MAX_ENTRY, MIN_MAX_ENTRY, Sizes};
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::random;

/// Length of the header, and so of an entry that is only a lease.
pub const HEADER_LEN: usize = 32;

/// Where the deadline of a lease stands.
pub(crate) const LEASE_UNTIL: std::ops::Range<usize> = 12..17;

/// The first byte of every entry.
pub(crate) const MAGIC: u8 = 0xCA;
/// The second byte: the newest version of this layout.
pub(crate) const VERSION: u8 = 1;

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
    /// The payload is compressed.
    pub(crate) const COMPRESSED: Self = Self(1 << 6);
    const KNOWN: u8 = 0b111_1111;

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) const fn with(self, flag: Self) -> Self {
        Self(self.0 | flag.0)
    }

    /// Those of these flags that are set.
    const fn only(self, flags: Self) -> Self {
        Self(self.0 & flags.0)
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

    /// The same entry under this header: checksum and payload of `entry` behind it.
    pub(crate) fn over(&self, entry: &[u8]) -> Bytes {
        let mut bytes = BytesMut::with_capacity(entry.len().max(HEADER_LEN));
        self.encode(&mut bytes);
        bytes.extend_from_slice(behind(entry));
        bytes.freeze()
    }
}

fn read_ticks(bytes: [u8; 5]) -> Timestamp {
    Timestamp::from_ticks(bytes.iter().fold(0, |ticks, byte| ticks << 8 | u64::from(*byte)))
}

/// An entry that was written.
pub(crate) struct Written {
    pub(crate) bytes: Bytes,
    /// How long it is, uncompressed: what is not allowed is for those who wait for it in this process, not to store.
    pub(crate) size: usize,
}

/// The entry of a value: the header, and what `encode` appends for a payload. It counts at this key alone.
pub(crate) fn write<E>(
    header: &Header,
    key: &str,
    sizes: &Sizes,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<Written, E> {
    let mut entry = Vec::with_capacity(HEADER_LEN * 4);
    header.encode(&mut entry);
    entry.extend_from_slice(&[0; checksum::LEN]);
    encode(&mut entry)?;
    let size = entry.len();
    if let Some(above) = sizes.compress_above.filter(|_| sizes.allow(size)) {
        packing::pack(&mut entry, header, above);
    }
    checksum::seal(&mut entry, key);
    // In memory the room that is left over would count for nothing and cost all the same.
    entry.shrink_to_fit();
    Ok(Written { bytes: entry.into(), size })
}

/// What a codec wrote: the payload of an entry that was found to be one.
pub(crate) fn payload<'e>(entry: &'e [u8], header: &Header, sizes: &Sizes) -> Result<Cow<'e, [u8]>, Error> {
    let stored = behind(entry).get(checksum::LEN..).unwrap_or_default();
    if !header.flags.has(Flags::COMPRESSED) {
        return Ok(Cow::Borrowed(stored));
    }
    packing::unpack(stored, sizes).map(Cow::Owned)
}

/// What stands behind the header.
fn behind(entry: &[u8]) -> &[u8] {
    entry.get(HEADER_LEN..).unwrap_or_default()
}

/// The start of an entry that identifies it well enough to replace exactly it.
pub(crate) fn head(entry: &[u8]) -> &[u8] {
    entry.get(..HEADER_LEN).unwrap_or(entry)
}

//! The bytes of an entry: a header of 48 bytes, and what follows it.
//!
//! ```text
//!  0  magic        0xCA
//!  1  version      2
//!  2  kind         0 VALUE, 1 LEASE, 2 WRITE
//!  3  flags        bit 0 LEASED, bit 1 OUTLIVES, bit 2 HELD_OFF, bit 3 NONE, bit 4 FAILURE, bit 5 COMPRESSED,
//!                  bit 6 POISONED, bit 7 reserved
//!  4  token        8 bytes, of the fill that holds the lease or stored the value, of the put that stored it, or the
//!                  generation of a WRITE
//! 12  lease until  5 bytes, ticks of 10 ms since the Unix epoch (all numbers are big-endian); with HELD_OFF, the end of
//!                  the cooldown of the origin; of a WRITE the deadline of its last writer
//! 17  fresh until  5 bytes, likewise, of a VALUE; else 0
//! 22  lifetime     4 bytes, ticks: of a VALUE, fresh until minus lifetime is when it was stored; of a LEASE or a WRITE,
//!                  how long it lasts without renewal, so that a key which lives for longer can be told
//! 26  load cost    2 bytes, ticks that the last load took, saturating (655 s)
//! 28  codec        1 byte, see `CodecId`
//! 29  reserved     1 byte, 0
//! 30  extra        2 bytes, how many bytes there are between the header and the payload
//! 32  name         4 bytes, digest of the names of the outermost types in the value
//! 36  shape        4 bytes, digest of the shape of the value's type
//! 40  tags         4 bytes, digest of the function's tag templates
//! 44  checksum     4 bytes, of a VALUE: see `checksum`; else 0
//! 48  extra        of a VALUE: the markers of its tags; of a WRITE: the writers under way, see `writing`
//!     payload      of a VALUE; with COMPRESSED: its length, and an LZ4 block
//! ```
//!
//! Flags, token and lease deadline lie side by side, so that one `SETRANGE` puts a refresh lease on a value. A reader
//! refuses an entry with a reserved bit that is set, and a kind, version or codec that it does not know: a fleet that is
//! being deployed reads this layout. It changes by a new version only, and the golden tests below hold it.

mod checksum;
mod header;
mod lookup;
#[cfg_attr(not(feature = "lz4"), path = "no_packing.rs")]
mod packing;
mod sizes;
#[cfg(test)]
mod tests;
mod writing;

use std::borrow::Cow;

use bytes::Bytes;

pub(crate) use self::header::{FLAGS, Flags, Header, Kind, LEASE_TIMES, LEASE_UNTIL, MAGIC, Schema, VERSION};
pub use self::header::{HEADER_LEN, Token};
pub(crate) use self::lookup::{Defect, Expected, Lookup, classify, is_foreign};
pub(crate) use self::sizes::{MAX_MAX_ENTRY, MIN_MAX_ENTRY, Sizes};
pub(crate) use self::writing::Writing;
use crate::error::Error;

/// An entry that was written.
pub(crate) struct Written {
    pub(crate) bytes: Bytes,
    /// Its uncompressed length. A value that is too long to be stored is still given to the callers that wait for it in
    /// this process.
    pub(crate) size: usize,
}

/// The entry of a value: the header, and the payload that `encode` appends. It counts at this key alone.
pub(crate) fn write<E>(
    header: &Header,
    key: &str,
    sizes: &Sizes,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<Written, E> {
    let mut entry = Vec::with_capacity(HEADER_LEN * 4);
    header.encode(&mut entry);
    encode(&mut entry)?;
    let size = entry.len();
    if let Some(above) = sizes.compress_above.filter(|_| sizes.allow(size)) {
        packing::pack(&mut entry, header, above);
    }
    checksum::seal(&mut entry, key);
    // In memory the spare capacity would be counted as nothing and cost all the same.
    entry.shrink_to_fit();
    Ok(Written { bytes: entry.into(), size })
}

/// The bytes that a codec wrote: the payload of an entry with this header.
pub(crate) fn payload<'e>(entry: &'e [u8], header: &Header, sizes: &Sizes) -> Result<Cow<'e, [u8]>, Error> {
    let stored = rest(entry).get(header.extra.into()..).unwrap_or_default();
    if !header.flags.has(Flags::COMPRESSED) {
        return Ok(Cow::Borrowed(stored));
    }
    packing::unpack(stored, sizes).map(Cow::Owned)
}

/// The same value under this token: a token is not part of what the checksum covers.
pub(crate) fn under(token: Token, entry: Bytes) -> Bytes {
    match Header::decode(&entry) {
        Some(header) if header.token != token => Header { token, ..header }.over(&entry),
        _ => entry,
    }
}

/// The bytes that follow the header.
fn rest(entry: &[u8]) -> &[u8] {
    entry.get(HEADER_LEN..).unwrap_or_default()
}

/// The start of an entry that identifies it well enough to replace exactly it.
pub(crate) fn head(entry: &[u8]) -> &[u8] {
    entry.get(..HEADER_LEN).unwrap_or(entry)
}

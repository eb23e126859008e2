//! The checksum of a value: what says that the bytes are those that were written, and written for this key.
//!
//! # Why a value carries a checksum, and its key
//!
//! `MessagePack` has none: one flipped bit of a payload is another number, and decodes. Memory and disks flip bits, a
//! migration cuts or mixes them, and "never a wrong value" leaves no room for luck. A CRC finds every damage that lies
//! within 32 bits for certain, and any other but one in four billion.
//!
//! The key is part of what is summed. A client whose replies are off by one, which has happened to every one of them
//! once, hands out whole and healthy entries of somebody else: nothing but the key tells them apart. So an entry counts
//! where it was written; one that was renamed or copied to another key is a miss.
//!
//! What scripts rewrite in place is left out: the token, the lease's deadline, and the flags of leases. A lease that
//! was damaged costs a wait or a run, never a value.
//!
//! # What it costs
//!
//! `cargo bench -p tests --bench entry` says.

use super::{Flags, HEADER_LEN, Header};

/// Length of the checksum, which stands right behind the header.
pub(super) const LEN: usize = 4;

/// The flags that say what the payload is.
const OF_PAYLOAD: Flags = Flags::PAYLOAD.with(Flags::NONE).with(Flags::FAILURE).with(Flags::COMPRESSED);

/// Writes the checksum into an entry that is otherwise complete.
pub(super) fn seal(entry: &mut [u8], key: &str) {
    let Some(header) = Header::decode(entry) else { return };
    let sum = sum(entry, key, header.flags.only(OF_PAYLOAD.with(Flags::OUTLIVES)));
    if let Some(place) = entry.get_mut(HEADER_LEN..HEADER_LEN + LEN) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Whether an entry of this header is the one that was written at this key.
pub(super) fn holds(entry: &[u8], key: &str, flags: Flags) -> bool {
    let Some(written) = entry.get(HEADER_LEN..).and_then(|behind| behind.first_chunk()) else { return false };
    let written = u32::from_be_bytes(*written);
    let found = flags.only(OF_PAYLOAD.with(Flags::OUTLIVES));
    // A refresh lease lets a key outlive its value that did not when it was written.
    written == sum(entry, key, found)
        || (found.has(Flags::OUTLIVES) && written == sum(entry, key, found.without(Flags::OUTLIVES)))
}

fn sum(entry: &[u8], key: &str, flags: Flags) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    let Some((head, behind)) = entry.split_first_chunk::<HEADER_LEN>() else { return 0 };
    // Magic, version, codec; flags; all from `fresh until` on. The length keeps the key and the payload apart.
    let mut fixed = [0; 3 + 1 + 15 + 8];
    fixed[..3].copy_from_slice(&head[..3]);
    fixed[3] = flags.0;
    fixed[4..19].copy_from_slice(&head[17..]);
    fixed[19..].copy_from_slice(&(key.len() as u64).to_be_bytes());
    crc.update(&fixed);
    crc.update(key.as_bytes());
    crc.update(behind.get(LEN..).unwrap_or_default());
    crc.finalize()
}

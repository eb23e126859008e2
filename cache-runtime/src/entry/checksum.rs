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

use std::ops::Range;

use super::{FLAGS, Flags, HEADER_LEN, Header, LEASE_UNTIL};

/// Where the checksum is.
pub(super) const AT: Range<usize> = 44..HEADER_LEN;

/// The flags that say what the payload is.
const OF_PAYLOAD: Flags = Flags::NONE.with(Flags::FAILURE).with(Flags::COMPRESSED);

/// Writes the checksum into an entry that is otherwise complete.
pub(super) fn seal(entry: &mut [u8], key: &str) {
    let Some(header) = Header::decode(entry) else { return };
    let sum = sum(entry, key, header.flags.only(OF_PAYLOAD.with(Flags::OUTLIVES)));
    if let Some(place) = entry.get_mut(AT) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Whether an entry of this header is the one that was written at this key.
pub(super) fn holds(entry: &[u8], key: &str, flags: Flags) -> bool {
    let Some(written) = entry.get(AT).and_then(|sum| sum.try_into().ok()) else { return false };
    let written = u32::from_be_bytes(written);
    let found = flags.only(OF_PAYLOAD.with(Flags::OUTLIVES));
    // A refresh lease lets a key outlive its value that did not when it was written.
    written == sum(entry, key, found)
        || (found.has(Flags::OUTLIVES) && written == sum(entry, key, found.without(Flags::OUTLIVES)))
}

fn sum(entry: &[u8], key: &str, flags: Flags) -> u32 {
    const BEFORE: usize = FLAGS;
    const BEHIND: usize = AT.start - LEASE_UNTIL.end;
    let mut crc = crc32fast::Hasher::new();
    let Some((head, rest)) = entry.split_first_chunk::<HEADER_LEN>() else { return 0 };
    // Magic, version and kind; the flags; all from `fresh until` on. The length keeps the key and the rest apart.
    let mut fixed = [0; BEFORE + 1 + BEHIND + 8];
    fixed[..BEFORE].copy_from_slice(&head[..BEFORE]);
    fixed[BEFORE] = flags.byte();
    fixed[BEFORE + 1..][..BEHIND].copy_from_slice(&head[LEASE_UNTIL.end..AT.start]);
    fixed[BEFORE + 1 + BEHIND..].copy_from_slice(&(key.len() as u64).to_be_bytes());
    crc.update(&fixed);
    crc.update(key.as_bytes());
    crc.update(rest);
    crc.finalize()
}

//! Compressed payloads: the length of what was compressed, 4 bytes, and an LZ4 block.
//!
//! # Why LZ4
//!
//! A hit pays for decompression each time, and decoding the value is most of what it costs: LZ4 adds a seventh to that,
//! zstd two fifths (`cargo bench -p tests --bench entry`, rows of 100 KiB as `MessagePack`: 282 µs to decode, 42 and 111
//! to decompress; 211 and 349 to compress). zstd leaves 26 % of the bytes where LZ4 leaves 42 %: the network of a
//! cache is near, and Redis is bound by commands before it is by bytes. And LZ4 is Rust without `unsafe` here, so that
//! no damaged block can do more than fail, and no user needs a C compiler.
//!
//! # What a damaged block can cost
//!
//! The checksum is looked at before. Then nothing is allocated for a length that the cache does not allow, or that no
//! block of this size can come to.

use super::{HEADER_LEN, Header, Sizes};
use crate::entry::Flags;
use crate::error::{Error, ErrorKind};

/// What stands before the block.
const LEN: usize = 4;

/// The most bytes that one byte of a block can come to: a run goes on by up to 255 with each.
const MAX_RATIO: usize = 255;

/// Compresses the payload of an entry where it is longer than `above` and becomes shorter.
pub(super) fn pack(entry: &mut Vec<u8>, header: &Header, above: usize) {
    let start = HEADER_LEN + usize::from(header.extra);
    let Some(payload) = entry.get(start..).filter(|payload| payload.len() > above) else { return };
    let Ok(len) = u32::try_from(payload.len()) else { return };
    let mut packed = vec![0; start + LEN + lz4_flex::block::get_maximum_output_size(payload.len())];
    let Ok(block) = lz4_flex::block::compress_into(payload, &mut packed[start + LEN..]) else { return };
    if LEN + block >= payload.len() {
        return;
    }
    packed.truncate(start + LEN + block);
    packed[HEADER_LEN..start].copy_from_slice(&entry[HEADER_LEN..start]);
    let header = Header { flags: header.flags.with(Flags::COMPRESSED), ..*header };
    header.encode(&mut &mut packed[..HEADER_LEN]);
    packed[start..start + LEN].copy_from_slice(&len.to_be_bytes());
    *entry = packed;
}

/// What was compressed.
pub(super) fn unpack(payload: &[u8], sizes: &Sizes) -> Result<Vec<u8>, Error> {
    let refuse = |why: &str| Error::new(ErrorKind::Codec, format!("cannot decompress: {why}"));
    let (len, block) = payload.split_first_chunk().ok_or_else(|| refuse("the length is missing"))?;
    let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
    if !sizes.allow(HEADER_LEN.saturating_add(len)) {
        return Err(refuse("the value is longer than `max_entry_bytes`"));
    }
    if len > block.len().saturating_mul(MAX_RATIO) {
        return Err(refuse("the length is more than the block can come to"));
    }
    match lz4_flex::block::decompress(block, len) {
        Ok(unpacked) if unpacked.len() == len => Ok(unpacked),
        Ok(_) => Err(refuse("the length is wrong")),
        Err(error) => Err(refuse("the block is damaged").with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { max_entry: 1 << 20, compress_above: Some(0) };

    fn packed(payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
        [&len[..], &lz4_flex::block::compress(payload)].concat()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for payload in [&b""[..], b"x", &vec![0; 100_000], &b"a word or two ".repeat(999)] {
            assert_eq!(unpack(&packed(payload), &SIZES).expect("it is whole"), payload);
        }
    }

    #[test]
    fn what_compression_makes_longer_is_left_as_it_is() {
        let header = Header::default();
        // No two bytes of it follow each other twice.
        let payload: Vec<u8> = (0..=255).flat_map(|byte: u8| [byte, byte.wrapping_mul(byte)]).collect();
        let mut entry = [&[0; HEADER_LEN][..], &payload].concat();
        let whole = entry.clone();
        pack(&mut entry, &header, 0);
        assert_eq!(entry, whole);
    }

    #[test]
    fn a_length_that_is_not_allowed_or_not_possible_is_refused_before_it_is_allocated() {
        let mut lies = packed(&[7; 1_000]);
        for (claimed, why) in [(u32::MAX, "max_entry_bytes"), (1 << 20, "max_entry_bytes"), (1 << 19, "can come to")] {
            lies[..LEN].copy_from_slice(&claimed.to_be_bytes());
            let error = unpack(&lies, &SIZES).expect_err("it lies").to_string();
            assert!(error.contains(why), "{error}");
        }
        for claimed in [0_u32, 1, 999, 1_001] {
            lies[..LEN].copy_from_slice(&claimed.to_be_bytes());
            unpack(&lies, &SIZES).expect_err("it lies");
        }
        for short in [&b""[..], &[0; 3]] {
            unpack(short, &SIZES).expect_err("it is cut");
        }
    }
}

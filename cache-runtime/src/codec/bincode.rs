//! bincode 2: works, and is no longer maintained (RUSTSEC-2025-0141). Not self-describing: `untagged`, `flatten`,
//! `skip_serializing_if` and `serde_json::Value` do not survive it.

use bincode::config::standard;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId, cannot_decode, cannot_encode};
use crate::error::Error;

/// Payloads up to which the lengths that are claimed in them are held to what they can be. bincode allocates the length
/// that stands before a text without a look at how many bytes there are, and a process that cannot allocate is
/// aborted; its limit is a constant, so there is one for small payloads and one for large ones.
const SMALL: usize = 64 << 10;

/// The longest entry of a cache that does not say otherwise.
const LARGE: usize = 8 << 20;

/// What one byte of a payload can claim to be, at the most: a `u128`.
const CLAIMED: usize = 16;

/// What all that is in a larger payload can claim to be.
const REST: usize = 1 << 30;

/// bincode 2 with its standard configuration, behind the feature `bincode`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bincode;

impl Codec for Bincode {
    const ID: CodecId = CodecId::BINCODE;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let bytes = bincode::serde::encode_to_vec(value, standard()).map_err(cannot_encode::<T>)?;
        out.extend_from_slice(&bytes);
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        let decoded = if bytes.len() <= SMALL {
            bincode::serde::decode_from_slice(bytes, standard().with_limit::<{ SMALL * CLAIMED }>())
        } else if bytes.len() <= LARGE {
            bincode::serde::decode_from_slice(bytes, standard().with_limit::<{ LARGE * CLAIMED }>())
        } else {
            bincode::serde::decode_from_slice(bytes, standard().with_limit::<REST>())
        };
        let (value, used) = decoded.map_err(cannot_decode::<T>)?;
        if used == bytes.len() { Ok(value) } else { Err(cannot_decode::<T>("bytes are left over")) }
    }
}

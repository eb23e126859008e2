//! bincode 2: works, and is no longer maintained (RUSTSEC-2025-0141). Not self-describing: `untagged`, `flatten`,
//! `skip_serializing_if` and `serde_json::Value` do not survive it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId, cannot_decode, cannot_encode};
use crate::error::Error;

/// bincode 2 with its standard configuration, behind the feature `bincode`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bincode;

impl Codec for Bincode {
    const ID: CodecId = CodecId::BINCODE;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let bytes = bincode::serde::encode_to_vec(value, bincode::config::standard()).map_err(cannot_encode::<T>)?;
        out.extend_from_slice(&bytes);
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        let (value, used) =
            bincode::serde::decode_from_slice(bytes, bincode::config::standard()).map_err(cannot_decode::<T>)?;
        if used == bytes.len() { Ok(value) } else { Err(cannot_decode::<T>("bytes are left over")) }
    }
}

//! postcard: the smallest payloads. Not self-describing: `untagged`, `flatten`, `skip_serializing_if` and
//! `serde_json::Value` do not survive it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId, cannot_decode, cannot_encode};
use crate::error::Error;

/// postcard 1, behind the feature `postcard`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl Codec for Postcard {
    const ID: CodecId = CodecId::POSTCARD;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        postcard::to_io(value, out).map(drop).map_err(cannot_encode::<T>)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        let (value, rest) = postcard::take_from_bytes(bytes).map_err(cannot_decode::<T>)?;
        if rest.is_empty() { Ok(value) } else { Err(cannot_decode::<T>("bytes are left over")) }
    }
}

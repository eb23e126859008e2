//! JSON: for entries that people or other languages read.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecId, cannot_decode, cannot_encode};
use crate::error::Error;

/// JSON, behind the feature `json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    const ID: CodecId = CodecId::JSON;
    const SELF_DESCRIBING: bool = true;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        serde_json::to_writer(out, value).map_err(cannot_encode::<T>)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(cannot_decode::<T>)
    }
}

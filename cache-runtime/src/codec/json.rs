//! JSON: for entries that people or other languages read.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

use super::bounds::{self, Meter, Metered};
use super::{Codec, CodecId, cannot_decode, cannot_encode};
use crate::error::Error;

/// JSON, behind the feature `json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    const ID: CodecId = CodecId::JSON;
    const SELF_DESCRIBING: bool = true;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        bounds::encode::<Self, T>(value, out)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        bounds::decode::<Self, T>(bytes)
    }

    fn encode_within<T: Serialize>(value: &T, out: &mut Vec<u8>, meter: &Meter) -> Result<(), Error> {
        serde_json::to_writer(out, &Metered::new(value, meter)).map_err(cannot_encode::<T>)
    }

    fn decode_within<T: DeserializeOwned>(bytes: &[u8], meter: &Meter) -> Result<T, Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let value = Metered::new(PhantomData, meter).deserialize(&mut deserializer).map_err(cannot_decode::<T>)?;
        deserializer.end().map_err(cannot_decode::<T>)?;
        Ok(value)
    }
}

//! postcard: the smallest payloads. Not self-describing: `untagged`, `flatten`, `skip_serializing_if` and
//! `serde_json::Value` do not survive it.

use std::marker::PhantomData;

use postcard::Deserializer;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

use super::bounds::{self, Meter, Metered};
use super::{Codec, CodecId, cannot_decode, cannot_encode};
use crate::error::Error;

/// postcard 1, behind the feature `postcard`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl Codec for Postcard {
    const ID: CodecId = CodecId::POSTCARD;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        bounds::encode::<Self, T>(value, out)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        bounds::decode::<Self, T>(bytes)
    }

    fn encode_within<T: Serialize>(value: &T, out: &mut Vec<u8>, meter: &Meter) -> Result<(), Error> {
        postcard::to_io(&Metered::new(value, meter), out).map(drop).map_err(cannot_encode::<T>)
    }

    fn decode_within<T: DeserializeOwned>(bytes: &[u8], meter: &Meter) -> Result<T, Error> {
        let mut deserializer = Deserializer::from_bytes(bytes);
        let value = Metered::new(PhantomData, meter).deserialize(&mut deserializer).map_err(cannot_decode::<T>)?;
        let rest = deserializer.finalize().map_err(cannot_decode::<T>)?;
        if rest.is_empty() { Ok(value) } else { Err(cannot_decode::<T>("bytes are left over")) }
    }
}

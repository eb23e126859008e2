//! `MessagePack` with named fields: compact, and the one binary format that `untagged`, `flatten`, `skip_serializing_if`
//! and `serde_json::Value` survive.

use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde::{Deserialize, Serialize};

use super::bounds::{self, Meter, Metered};
use super::{Codec, CodecId, cannot_decode, cannot_encode};
use crate::error::Error;

/// `MessagePack`, structs as maps with field names. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

impl Codec for MessagePack {
    const ID: CodecId = CodecId::MESSAGE_PACK;
    const SELF_DESCRIBING: bool = true;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        bounds::encode::<Self, T>(value, out)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        bounds::decode::<Self, T>(bytes)
    }

    fn encode_within<T: Serialize>(value: &T, out: &mut Vec<u8>, meter: &Meter) -> Result<(), Error> {
        rmp_serde::encode::write_named(out, &Metered::new(value, meter)).map_err(cannot_encode::<T>)
    }

    fn decode_within<T: DeserializeOwned>(bytes: &[u8], meter: &Meter) -> Result<T, Error> {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
        let seed = Metered::new(PhantomData, meter);
        let value = seed.deserialize(&mut deserializer).map_err(cannot_decode::<T>)?;
        // The deserializer does not show what is left; that it finds nothing more does. A unit is nothing nested,
        // whatever is there.
        match <()>::deserialize(&mut deserializer) {
            Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
            _ => Err(cannot_decode::<T>("bytes are left over")),
        }
    }
}

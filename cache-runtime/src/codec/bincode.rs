//! bincode 2: works, and is no longer maintained (RUSTSEC-2025-0141). Not self-describing: `untagged`, `flatten`,
//! `skip_serializing_if` and `serde_json::Value` do not survive it.

use std::marker::PhantomData;

use bincode::config::standard;
use bincode::serde::{encode_to_vec, seed_decode_from_slice};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounds::{self, Meter, Metered};
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
        bounds::encode::<Self, T>(value, out)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        bounds::decode::<Self, T>(bytes)
    }

    fn encode_within<T: Serialize>(value: &T, out: &mut Vec<u8>, meter: &Meter) -> Result<(), Error> {
        let bytes = encode_to_vec(Metered::new(value, meter), standard()).map_err(cannot_encode::<T>)?;
        out.extend_from_slice(&bytes);
        Ok(())
    }

    fn decode_within<T: DeserializeOwned>(bytes: &[u8], meter: &Meter) -> Result<T, Error> {
        let seed = Metered::new(PhantomData::<T>, meter);
        let decoded = if bytes.len() <= SMALL {
            seed_decode_from_slice(seed, bytes, standard().with_limit::<{ SMALL * CLAIMED }>())
        } else if bytes.len() <= LARGE {
            seed_decode_from_slice(seed, bytes, standard().with_limit::<{ LARGE * CLAIMED }>())
        } else {
            seed_decode_from_slice(seed, bytes, standard().with_limit::<REST>())
        };
        let (value, used) = decoded.map_err(cannot_decode::<T>)?;
        if used == bytes.len() { Ok(value) } else { Err(cannot_decode::<T>("bytes are left over")) }
    }
}

//! What a cached value may cost: levels, stack, and elements that take no bytes.
//!
//! The bytes in a cache may come from anybody, and an error that a reader can return must never become an abort. Each
//! codec is therefore driven through a serializer or deserializer that measures what the value needs, and that ends
//! with an error once a bound is passed. Past a bound a stored value is a miss, and a new value is returned but not
//! stored; either is an event.
//!
//! # Why a stack bound and a level bound
//!
//! serde decodes a nested value by recursion, so its depth is paid for in stack, and a stack that overflows aborts the
//! process. Levels alone do not bound a stack, because the frame of a level differs by type, format and build: one
//! level of a struct of forty `Option<String>` and a `Vec<Self>` takes 11 KiB as `MessagePack` in a release build and
//! 56 KiB in a debug build, and a level of a small struct takes less than 1 KiB. [`STACK`] is therefore a bound in
//! bytes, measured as the distance between the addresses of two locals: one of where decoding began, and one of where
//! it is.
//!
//! Stack alone does not suffice either. It differs between builds, so a value at its edge would be readable by one
//! process of a fleet and a miss for the next. [`LEVELS`] is the same everywhere, and it is what most values meet first.
//!
//! The third bound, [`FREE`], is about work. A length that stands before elements of no bytes, such as `()`, can claim
//! any number of them, and a deserializer would count to it.
//!
//! # Why encoding is bound, and more tightly
//!
//! A value that encodes but does not decode is a miss for ever, at the price of a load each time. A value of more than
//! [`PLAIN_LEVELS`] is therefore read back once when it is stored, and refused if that takes more than [`STORED_STACK`].
//! That leaves room for readers of another build, whose frames are larger. A reader whose frames are larger still
//! finds a miss, and never aborts.
//!
//! # What dropping takes
//!
//! A nested value is dropped by recursion too: once it has been used, or half-built when decoding ends with an error.
//! The frames of a drop are much smaller than those of the decoding that built the value, so what fits one bound fits
//! the other.
//!
//! # What cannot be measured
//!
//! `untagged` and internally tagged enums, and structs with `flatten`, make serde collect a value in a buffer first,
//! and decode it from there. No deserializer of ours sees the second step, so a level that goes into a buffer counts
//! as [`BUFFERED_LEVELS`]. The same holds for `serde_json::Value`, which cannot be told apart from a buffer.
//!
//! # Why everything is measured
//!
//! A type without a cycle has a bounded depth of its own, but a reader also skips fields that the type does not know,
//! and those can be nested. Measuring only some types would compile each type twice, and it saves little: decoding a
//! struct of strings and integers takes 0 to 5 % longer than without (`cargo bench -p tests --bench entry`).

mod decode;
mod encode;
mod meter;
mod parts;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) use self::decode::Bounded;
use self::meter::Bound;
pub(super) use self::meter::{Meter, address};
use super::Codec;
use crate::error::{Error, ErrorKind};

/// How many levels of a value may be inside of each other: lists, maps, tuples, structs, enum variants (two, where they
/// have several fields), newtypes and `Option`s that are `Some`. It is large for data, small for a stack, and just below the limit of 127 that `serde_json`
/// has, so that all codecs share it. Raising it leaves more to [`STACK`], which differs between builds.
const LEVELS: u32 = 120;

/// How many levels one level counts as that a type collects in a buffer before it decodes it, where the stack is not
/// measured. 40 of them are left of [`LEVELS`]: 20 structs, each with a list of the next, that may take 50 KiB each.
const BUFFERED_LEVELS: u32 = 3;

/// A value of so many levels is stored without being read back first: it would need frames of tens of kibibytes each
/// to be unreadable.
const PLAIN_LEVELS: u32 = 16;

/// How much stack decoding or encoding may take. Threads of tokio have 2 MiB; the rest is for what has been used
/// before, and for the frames between the last measurement and the deepest call.
const STACK: usize = 768 << 10;

/// How much stack reading a value back may take for the value to be stored. An unoptimized build needs about six times
/// the stack of an optimized one, so what an optimized build stores an unoptimized one can read.
const STORED_STACK: usize = if cfg!(debug_assertions) { STACK * 2 / 3 } else { STACK / 6 };

/// Stack that is not worth a closer look: calls that stay below it take the short way through [`Meter::enter`].
const PLAIN_STACK: usize = 16 << 10;

/// How many elements of lists and maps may take no bytes, such as `()`. Raising it lengthens what a forged length costs.
const FREE: usize = 1 << 16;

/// The most elements of a list that a type is told to expect by a codec of the user's own, whose bytes may be packed. This
/// crate's codecs tell of no more elements than there are bytes. A longer list grows as it is read.
const EXPECTED: usize = 1 << 16;

/// A value, a seed or a part of a format, and the meter that it is measured by.
#[derive(Debug)]
pub(super) struct Metered<'m, X> {
    inner: X,
    meter: &'m Meter,
}

impl<'m, X> Metered<'m, X> {
    #[inline]
    pub(super) fn new(inner: X, meter: &'m Meter) -> Self {
        Self { inner, meter }
    }
}

/// Reads a value from exactly these bytes, within the bounds.
pub(super) fn decode<C: Codec, T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let meter = Meter::new(bytes.len());
    let decoded = C::decode_within(bytes, &meter);
    // A type may have ignored the error, and made another value of what it had.
    meter.passed().map_or(decoded, |bound| Err(past::<T>("decode", bound)))
}

/// Appends the bytes of a value that is within the bounds.
pub(super) fn encode<C: Codec, T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    write::<C, T>(value, out).map(drop)
}

/// Appends the bytes of a value that is within the bounds and can be read back.
pub(super) fn encode_readable<C, T>(value: &T, out: &mut Vec<u8>) -> Result<(), Error>
where
    C: Codec,
    T: Serialize + DeserializeOwned,
{
    let start = out.len();
    if write::<C, T>(value, out)?.levels() <= PLAIN_LEVELS {
        return Ok(());
    }
    let bytes = out.get(start..).unwrap_or_default();
    let meter = Meter::new(bytes.len());
    let read = C::decode_within::<T>(bytes, &meter);
    match meter.passed().or((meter.stack() > STORED_STACK).then_some(Bound::StoredStack)) {
        Some(bound) => Err(past::<T>("encode", bound)),
        None => read.map(drop).map_err(|cause| {
            let why = format!("cannot encode a `{}`: what was encoded cannot be decoded", std::any::type_name::<T>());
            Error::new(ErrorKind::Codec, why).with_source(cause)
        }),
    }
}

fn write<C: Codec, T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<Meter, Error> {
    let meter = Meter::new(0);
    let encoded = C::encode_within(value, out, &meter);
    match meter.passed() {
        Some(bound) => Err(past::<T>("encode", bound)),
        None => encoded.map(|()| meter),
    }
}

/// A bound was passed.
#[cold]
fn past<T>(step: &str, bound: Bound) -> Error {
    Error::new(ErrorKind::Codec, format!("cannot {step} a `{}`: {bound}", std::any::type_name::<T>()))
}

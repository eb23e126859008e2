//! The way of a value to the store and back, which a debug build follows once for each function and type.
//!
//! Some types lose something on the way: a field under `#[serde(skip)]` comes back as its default, `Some(None)` comes
//! back as `None`. Then a hit returns another value than the miss before it, and no error says so. Others are written and
//! cannot be read: an untagged enum in a format that does not describe itself. Their functions never have a hit.
//!
//! So the first value is decoded again from the bytes that were just made of it, and compared where its type can be
//! (`PartialEq`): after the function has run, and before its value is stored. A release build does neither.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::load::Reply;
use super::{Engine, Request};
use crate::codec::{Coding, Format};
use crate::error::Error;
use crate::observe;

/// What became of a value that was encoded and decoded again.
#[derive(Debug)]
pub enum RoundTrip {
    /// It came back. Where its type cannot be compared, that is all that is known.
    Same,
    /// Another one came back.
    Differs,
    /// It cannot be read back.
    Undecodable(Error),
    /// It does not even equal itself, as `NaN` does not: another value may tell more.
    Unknown,
}

/// A kind, and whether its values can be compared: what is found out about a function by its types.
pub type Found<K, Q> = PhantomData<(K, Q)>;

/// Whether values of a type can be compared. That they can be decoded is asked of the method, so that a type which cannot
/// be cached is one error of the compiler.
pub trait Compares<V> {
    /// What becomes of a value that is decoded again from its bytes.
    fn round_trip<C: Coding>(format: Format, value: &V, payload: &[u8]) -> RoundTrip
    where
        V: DeserializeOwned;
}

/// They can: the type is `PartialEq`.
#[derive(Debug)]
pub struct Comparable;

/// They cannot, or it is not known.
#[derive(Debug)]
pub struct Incomparable;

impl<V: PartialEq> Compares<V> for Comparable {
    fn round_trip<C: Coding>(format: Format, value: &V, payload: &[u8]) -> RoundTrip
    where
        V: DeserializeOwned,
    {
        #[expect(clippy::eq_op, reason = "a value that is not equal to itself is not equal to what came back either")]
        let equals_itself = value == value;
        match C::decode::<V>(format, payload) {
            Err(error) => RoundTrip::Undecodable(error),
            Ok(_) if !equals_itself => RoundTrip::Unknown,
            Ok(other) if *value == other => RoundTrip::Same,
            Ok(_) => RoundTrip::Differs,
        }
    }
}

impl<V> Compares<V> for Incomparable {
    fn round_trip<C: Coding>(format: Format, _value: &V, payload: &[u8]) -> RoundTrip
    where
        V: DeserializeOwned,
    {
        C::decode::<V>(format, payload).map_or_else(RoundTrip::Undecodable, |_| RoundTrip::Same)
    }
}

impl Engine {
    /// Follows the value of an answer, whose bytes these are, unless one of its function and type was followed before.
    pub(super) fn follow_value(&self, request: &Request, answer: &dyn Reply, payload: &[u8]) {
        let Request { site, key, .. } = request;
        let value = answer.value_type();
        if site.has_followed(value) {
            return;
        }
        let found = answer.round_trip(self.format, payload);
        if matches!(found, RoundTrip::Unknown) || !site.followed(value) {
            return;
        }
        match found {
            RoundTrip::Differs => observe::comes_back_changed(site, key, value()),
            RoundTrip::Undecodable(error) => observe::does_not_come_back(site, key, value(), &error),
            RoundTrip::Same | RoundTrip::Unknown => {}
        }
    }
}

//! The way of a value to the store and back, which a debug build follows once for each function and type.
//!
//! Some types lose something on the way: a field under `#[serde(skip)]` comes back as its default, `Some(None)` comes
//! back as `None`. Then a hit returns another value than the miss before it, and no error says so. Others are written and
//! cannot be read: an untagged enum in a format that does not describe itself. Their functions never have a hit.
//!
//! So the first value is decoded again from the bytes that were just made of it, and compared where its type can be
//! (`PartialEq`): after the function has run, and before its value is stored. A release build does neither.

use super::load::Reply;
use super::{Engine, Request};
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

impl RoundTrip {
    /// Compares a value with what came back.
    pub(super) fn of<V: PartialEq>(value: &V, came_back: Result<V, Error>) -> Self {
        #[expect(
            clippy::eq_op,
            reason = "a value that differs from itself differs from every copy, and nothing is lost"
        )]
        let is_itself = value == value;
        match came_back {
            Err(error) => Self::Undecodable(error),
            Ok(_) if !is_itself => Self::Unknown,
            Ok(other) if *value == other => Self::Same,
            Ok(_) => Self::Differs,
        }
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

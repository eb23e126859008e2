//! What a lease, a commit and a release do to the bytes at a key: pure functions that a store applies atomically. The
//! Redis store says the same in Lua; the contract tests hold both to it.

use std::time::Duration;

use bytes::Bytes;

use super::{LeaseRequest, Take};
use crate::entry::{self, Flags, Header, Token};

/// What becomes of a request for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Write these bytes, with this expiry: the lease is granted.
    Grant(Bytes, Expiry),
    /// Leave what is there, and tell the caller.
    Refuse,
}

/// The expiry to write with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The entry expires after this long.
    In(Duration),
    /// The entry keeps its expiry, but lives for at least this long.
    AtLeast(Duration),
}

/// What becomes of a lease that is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// Remove the entry: it is only this lease.
    Remove,
    /// Write these bytes, keeping the expiry: the value without the lease on it.
    Write(Bytes),
    /// Leave what is there: it is not this lease.
    Leave,
}

/// Decides on a request for a lease, given what is at the key now (expired entries are not).
#[must_use]
pub fn admit(current: Option<&[u8]>, request: &LeaseRequest) -> Admission {
    let lease = request.header();
    let alone = || Admission::Grant(lease.alone(), Expiry::In(request.ttl()));
    match (current, &request.take) {
        (None | Some([]), _) => alone(),
        (Some(entry), Take::Any) => match Header::decode(entry) {
            Some(value) if value.flags.has(Flags::PAYLOAD) => {
                let flags = value.flags.with(Flags::LEASED).with(Flags::OUTLIVES);
                let leased = Header { flags, token: lease.token, lease_until: lease.lease_until, ..value };
                Admission::Grant(leased.over(entry), Expiry::AtLeast(request.ttl()))
            }
            _ => alone(),
        },
        (Some(entry), Take::Unusable(head)) if entry::head(entry) == head => alone(),
        (Some(_), _) => Admission::Refuse,
    }
}

/// Whether the lease of `token` is what is at the key now: then its holder may write.
#[must_use]
pub fn commits(current: Option<&[u8]>, token: Token) -> bool {
    leased(current, token).is_some()
}

/// Decides on a lease that is given back, given what is at the key now.
#[must_use]
pub fn withdraw(current: Option<&[u8]>, token: Token) -> Withdrawal {
    match (current, leased(current, token)) {
        (Some(entry), Some(header)) if header.flags.has(Flags::PAYLOAD) => {
            Withdrawal::Write(Header { flags: header.flags.without(Flags::LEASED), ..header }.over(entry))
        }
        (_, Some(_)) => Withdrawal::Remove,
        (_, None) => Withdrawal::Leave,
    }
}

fn leased(current: Option<&[u8]>, token: Token) -> Option<Header> {
    Header::decode(current?).filter(|header| header.flags.has(Flags::LEASED) && header.token == token)
}

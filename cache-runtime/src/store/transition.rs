//! What a lease, a commit and a release do to the bytes at a key: pure functions that a store applies atomically. The
//! Redis store says the same in Lua; the contract tests hold both to it.

use std::time::Duration;

use bytes::Bytes;

use super::{LeaseRequest, Take};
use crate::clock::Timestamp;
use crate::entry::{self, Flags, Header, Kind, Token};
use crate::policy::lease;

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

/// Decides on a request for a lease, given what is at the key now (expired entries are not) and how long it has left:
/// `None` is an entry without an expiry. A string that this library did not write is displaced only where the cache
/// allows that.
#[must_use]
pub fn admit(current: Option<&[u8]>, left: Option<Duration>, request: &LeaseRequest) -> Admission {
    let lease = request.header();
    let alone = || Admission::Grant(lease.alone(), Expiry::In(request.ttl()));
    match (current, &request.take) {
        (None, _) => alone(),
        (Some(entry), _) if entry::is_foreign(entry) && !request.overwrites_foreign => Admission::Refuse,
        (Some(entry), _) if is_over(entry, left) => alone(),
        // A value that is loaded now may be older than what is being written.
        (Some(entry), _) if is_write(entry) => Admission::Refuse,
        (Some(entry), Take::Any) => leased_value(entry, &lease, request.ttl()).unwrap_or_else(alone),
        (Some(entry), Take::Refresh(head)) if entry::head(entry) == head => {
            leased_value(entry, &lease, request.ttl()).unwrap_or_else(alone)
        }
        (Some(entry), Take::Unusable(head)) if entry::head(entry) == head => alone(),
        (Some(_), _) => Admission::Refuse,
    }
}

/// Whether the entry is a lease or a write that does not stand.
fn is_over(entry: &[u8], left: Option<Duration>) -> bool {
    Header::decode(entry).is_some_and(|header| !header.is_value() && !lease::stands(&header, left))
}

fn is_write(entry: &[u8]) -> bool {
    Header::decode(entry).is_some_and(|header| header.kind == Kind::Write)
}

/// The value with a refresh lease on it, where the entry is a value.
fn leased_value(entry: &[u8], lease: &Header, ttl: Duration) -> Option<Admission> {
    let value = Header::decode(entry).filter(Header::is_value)?;
    let flags = value.flags.with(Flags::LEASED).with(Flags::OUTLIVES).without(Flags::HELD_OFF);
    let leased = Header { flags, token: lease.token, lease_until: lease.lease_until, ..value };
    Some(Admission::Grant(leased.over(entry), Expiry::AtLeast(ttl)))
}

/// The entry with the lease of `token` on it until `ttl` from now, where that lease is what is at the key.
#[must_use]
pub fn renew(current: Option<&[u8]>, token: Token, ttl: Duration) -> Option<Bytes> {
    renew_at(current, token, Timestamp::now(), ttl)
}

/// [`renew`], from then on.
pub(super) fn renew_at(current: Option<&[u8]>, token: Token, now: Timestamp, ttl: Duration) -> Option<Bytes> {
    let header = leased(current, token)?;
    let renewed = match header.kind {
        Kind::Value => Header { lease_until: now.after(ttl), ..header },
        Kind::Lease | Kind::Write => Header::lease(token, now, ttl),
    };
    Some(renewed.over(current?))
}

/// Whether the lease of `token` is what is at the key now: then its holder may write.
#[must_use]
pub fn commits(current: Option<&[u8]>, token: Token) -> bool {
    leased(current, token).is_some()
}

/// Decides on a lease that is given back, given what is at the key now. A value that it is on is left alone for
/// `hold_off`.
#[must_use]
pub fn withdraw(current: Option<&[u8]>, token: Token, hold_off: Duration) -> Withdrawal {
    withdraw_at(current, token, (!hold_off.is_zero()).then(|| Timestamp::now().after(hold_off)))
}

/// [`withdraw`], with a pause until then.
pub(super) fn withdraw_at(current: Option<&[u8]>, token: Token, hold_off: Option<Timestamp>) -> Withdrawal {
    match (current, leased(current, token)) {
        (Some(entry), Some(header)) if header.is_value() => {
            let header = match hold_off {
                None => Header { flags: header.flags.without(Flags::LEASED), ..header },
                Some(lease_until) => Header { flags: header.flags.with(Flags::HELD_OFF), lease_until, ..header },
            };
            Withdrawal::Write(header.over(entry))
        }
        (_, Some(_)) => Withdrawal::Remove,
        (_, None) => Withdrawal::Leave,
    }
}

fn leased(current: Option<&[u8]>, token: Token) -> Option<Header> {
    let is_held = |flags: Flags| flags.has(Flags::LEASED) && !flags.has(Flags::HELD_OFF);
    Header::decode(current?).filter(|header| is_held(header.flags) && header.token == token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::entry::{Expected, Lookup, Schema, Sizes, classify};

    const SCHEMA: Schema = Schema { codec: 1, name: 3, shape: 7, tags: 0 };

    fn value() -> Bytes {
        let header = Header::value(SCHEMA, Token::random(), Timestamp::now(), Duration::from_secs(60));
        let written = entry::write(&header, "k", &Sizes::default(), |out| {
            out.extend_from_slice(&[0; 8]);
            Ok::<_, Error>(())
        });
        written.expect("nothing is wrong with it").bytes
    }

    fn look(entry: &[u8]) -> Lookup {
        classify(Some(entry), "k", Expected::from(SCHEMA), Timestamp::now)
    }

    fn request(take: Take) -> LeaseRequest {
        LeaseRequest::new(Token::random(), Duration::from_secs(1), take, Timestamp::now())
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn granted(current: Option<&[u8]>, request: &LeaseRequest) -> Option<(Bytes, Expiry)> {
        granted_of(current, Some(SECOND), request)
    }

    fn granted_of(current: Option<&[u8]>, left: Option<Duration>, request: &LeaseRequest) -> Option<(Bytes, Expiry)> {
        match admit(current, left, request) {
            Admission::Grant(bytes, expiry) => Some((bytes, expiry)),
            Admission::Refuse => None,
        }
    }

    #[test]
    fn a_lease_is_granted_where_there_is_nothing_and_displaces_only_what_it_may() {
        let (missing, any) = (request(Take::Missing), request(Take::Any));
        let (lease, expiry) = granted(None, &missing).expect("nothing is there");
        assert_eq!((look(&lease), expiry), (Lookup::Pending(missing.header()), Expiry::In(SECOND)));
        assert!(granted(Some(&lease), &request(Take::Missing)).is_none());
        assert!(granted(Some(&lease), &any).is_some());

        let unusable = request(Take::Unusable(Bytes::from_static(b"\xCA\x01")));
        assert!(granted(Some(b"\xCA\x01"), &unusable).is_some());
        assert!(granted(Some(b"\xCA\x03"), &unusable).is_none(), "another entry came meanwhile");
    }

    #[test]
    fn a_foreign_string_is_displaced_only_where_the_cache_allows_it() {
        for foreign in [&b""[..], b"{}", &value()[1..]] {
            let head = Bytes::copy_from_slice(entry::head(foreign));
            for take in [Take::Missing, Take::Unusable(head.clone()), Take::Refresh(head.clone()), Take::Any] {
                assert!(granted(Some(foreign), &request(take.clone())).is_none(), "{take:?} displaces {foreign:?}");
                let allowed = request(take.clone()).overwriting_foreign(true);
                assert_eq!(
                    granted(Some(foreign), &allowed).is_some(),
                    take != Take::Missing,
                    "{take:?} of {foreign:?}"
                );
            }
        }
    }

    #[test]
    fn a_lease_that_has_longer_left_than_it_lasts_is_displaced() {
        let (lease, _) = granted(None, &request(Take::Missing)).expect("nothing is there");
        for left in [Some(Duration::ZERO), Some(SECOND)] {
            assert!(granted_of(Some(&lease), left, &request(Take::Missing)).is_none(), "{left:?}");
        }
        for left in [None, Some(60 * SECOND)] {
            let (displaced, expiry) =
                granted_of(Some(&lease), left, &request(Take::Missing)).expect("it does not stand");
            assert_eq!((displaced.len(), expiry), (entry::HEADER_LEN, Expiry::In(SECOND)), "{left:?}");
        }
        for left in [None, Some(60 * SECOND)] {
            let refused = granted_of(Some(&value()), left, &request(Take::Missing));
            assert_eq!(refused, None, "a value is not a lease, however long it has left");
        }
    }

    #[test]
    fn a_refresh_lease_leaves_the_value_readable_is_renewed_in_the_header_and_given_back() {
        let (value, refresh) = (value(), request(Take::Any));
        let (leased, expiry) = granted(Some(&value), &refresh).expect("a refresh displaces anything");
        assert_eq!(expiry, Expiry::AtLeast(Duration::from_secs(1)));
        assert!(matches!(look(&leased), Lookup::Fresh(_)));
        assert!(commits(Some(&leased), refresh.token()) && !commits(Some(&leased), Token::random()));

        let until = |entry: &[u8]| Header::decode(entry).map(|header| header.lease_until);
        let renewed = renew(Some(&leased), refresh.token(), Duration::from_secs(60)).expect("it is held");
        assert!(until(&renewed) > until(&leased));
        assert_eq!(renew(Some(&leased), Token::random(), Duration::from_secs(60)), None);

        let Withdrawal::Write(back) = withdraw(Some(&renewed), refresh.token(), Duration::ZERO) else {
            panic!("the value stays")
        };
        assert!(!commits(Some(&back), refresh.token()));
        assert!(matches!(look(&back), Lookup::Fresh(_)));
        assert_eq!(withdraw(Some(&back), refresh.token(), Duration::ZERO), Withdrawal::Leave);
    }

    #[test]
    fn a_refresh_that_failed_leaves_the_value_and_nobody_commits_or_renews_until_the_next_lease() {
        let (value, refresh) = (value(), request(Take::Any));
        let (leased, _) = granted(Some(&value), &refresh).expect("a refresh displaces anything");
        let Withdrawal::Write(held) = withdraw(Some(&leased), refresh.token(), Duration::from_secs(5)) else {
            panic!("the value stays")
        };
        let header = Header::decode(&held).expect("it is an entry");
        assert!(header.flags.has(Flags::HELD_OFF) && header.lease_until > Timestamp::now());
        assert!(!commits(Some(&held), refresh.token()));
        assert_eq!(renew(Some(&held), refresh.token(), Duration::from_secs(5)), None);

        let next = request(Take::Refresh(Bytes::copy_from_slice(entry::head(&held))));
        let (leased, _) = granted(Some(&held), &next).expect("it is that entry");
        assert!(commits(Some(&leased), next.token()));
        assert!(granted(Some(&leased), &next).is_none(), "it is not that entry any more");
    }
}

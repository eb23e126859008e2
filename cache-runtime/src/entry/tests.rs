//! The golden bytes of version 2, and what a reader takes.

use std::time::Duration;

use proptest::prelude::*;

use super::header::{MAGIC, VERSION};
use super::*;
use crate::clock::Timestamp;
use crate::codec::{Fingerprint, Shape};
use crate::error::Error;

const SCHEMA: Schema = Schema { codec: 1, name: 0xFEED_F00D, shape: 0xDEAD_BEEF, tags: 0 };
const TOKEN: Token = Token(*b"\x01\x02\x03\x04\x05\x06\x07\x08");

fn value() -> Header {
    Header {
        schema: SCHEMA,
        token: TOKEN,
        fresh_until: Timestamp::from_ticks(0x1_0203_0405),
        lifetime: 60_000,
        load_cost: 21,
        ..Header::default()
    }
}

fn bytes(header: &Header, payload: &[u8]) -> Vec<u8> {
    let written = write(header, "k", &Sizes::default(), |out| {
        out.extend_from_slice(payload);
        Ok::<_, Error>(())
    });
    written.expect("nothing is wrong with it").bytes.to_vec()
}

fn payload_of(entry: &[u8]) -> Vec<u8> {
    let header = Header::decode(entry).expect("it is an entry");
    payload(entry, &header, &Sizes::default()).expect("it is not damaged").into_owned()
}

#[test]
fn golden_value_version_2() {
    let golden = b"\xCA\x02\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\
                   \x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x00\x00\xEA\x60\x00\x15\x01\x00\x00\x00\
                   \xFE\xED\xF0\x0D\xDE\xAD\xBE\xEF\x00\x00\x00\x00\x84\x58\x14\x83{}";
    assert_eq!(bytes(&value(), b"{}"), golden);
    assert_eq!(Header::decode(golden), Some(value()));
    assert_eq!(payload_of(golden), b"{}");
}

#[test]
fn golden_value_with_markers_version_2() {
    let tagged = Header { schema: Schema { tags: 0x0BAD_CAFE, ..SCHEMA }, extra: 8, ..value() };
    let golden = b"\xCA\x02\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\
                   \x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x00\x00\xEA\x60\x00\x15\x01\x00\x00\x08\
                   \xFE\xED\xF0\x0D\xDE\xAD\xBE\xEF\x0B\xAD\xCA\xFE\xB7\x3C\xE7\x29MARKER!!{}";
    assert_eq!(bytes(&tagged, b"MARKER!!{}"), golden);
    assert_eq!(Header::decode(golden), Some(tagged));
    assert_eq!(payload_of(golden), b"{}");
}

#[test]
fn golden_lease_version_2() {
    let golden = b"\xCA\x02\x01\x01\x01\x02\x03\x04\x05\x06\x07\x08\
                   \x00\x00\x00\x01\x56\x00\x00\x00\x00\x00\x00\x00\x01\x2C\x00\x00\x00\x00\x00\x00\
                   \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let lease = Header::lease(TOKEN, Timestamp::from_ticks(42), Duration::from_secs(3));
    assert_eq!(&lease.alone()[..], golden);
    assert_eq!(Header::decode(golden), Some(lease));
}

#[test]
fn golden_write_version_2() {
    let golden = b"\xCA\x02\x02\x00\x01\x02\x03\x04\x05\x06\x07\x08\
                   \x00\x00\x00\x01\x56\x00\x00\x00\x00\x00\x00\x00\x01\x2C\x00\x00\x00\x00\x00\x0D\
                   \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
                   WRITER A\x00\x00\x00\x01\x56";
    let writing = Writing::new(TOKEN, Token(*b"WRITER A"), Timestamp::from_ticks(42), Duration::from_secs(3));
    assert_eq!(&writing.encode()[..], golden);
    assert_eq!(Writing::decode(golden), Some(writing));
}

#[test]
fn golden_poisoned_write_version_2() {
    let golden = b"\xCA\x02\x02\x40\x01\x02\x03\x04\x05\x06\x07\x09\
                   \x00\x00\x00\x02\xAF\x00\x00\x00\x00\x00\x00\x00\x02\x58\x00\x00\x00\x00\x00\x1A\
                   \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
                   WRITER A\x00\x00\x00\x01\x56WRITER C\x00\x00\x00\x02\xAF";
    let (three, six) = (Duration::from_secs(3), Duration::from_secs(6));
    let mut writing = Writing::new(TOKEN, Token(*b"WRITER A"), Timestamp::from_ticks(42), three);
    writing.join(Token(*b"WRITER B"), Timestamp::from_ticks(50), three);
    writing.join(Token(*b"WRITER C"), Timestamp::from_ticks(87), six);
    assert!(writing.leave(Token(*b"WRITER B")), "two are under way");
    assert_eq!(&writing.encode()[..], golden);
    assert_eq!(Writing::decode(golden), Some(writing));
}

#[test]
fn a_reader_takes_only_what_it_can_read() {
    let now = Timestamp::from_ticks(5);
    let classify = |bytes: &[u8]| classify(Some(bytes), "k", SCHEMA.into(), || now);
    assert_eq!(super::classify(None, "k", SCHEMA.into(), || now), Lookup::Missing);
    assert_eq!(classify(&bytes(&value(), b"x")), Lookup::Fresh(value()));
    let lease = Header::lease(TOKEN, now, Duration::from_secs(3));
    assert_eq!(classify(&lease.alone()), Lookup::Pending(lease));
    let writing = Writing::new(TOKEN, Token([9; 8]), now, Duration::from_secs(3)).encode();
    assert!(matches!(classify(&writing), Lookup::Writing(header) if header.token == TOKEN));
    for damaged in [&bytes(&value(), b"")[..47], &[0xCA; 60], b"\xCA"] {
        assert_eq!(classify(damaged), Lookup::Unusable(Defect::Version), "{damaged:?}");
    }
    for foreign in [&b""[..], b"{\"id\":7}", &bytes(&value(), b"")[1..]] {
        assert_eq!(classify(foreign), Lookup::Foreign, "{foreign:?}");
    }
    for (offset, defect) in [
        (1, Defect::Version),
        (2, Defect::Version),
        (3, Defect::Damaged),
        (28, Defect::Codec),
        (29, Defect::Version),
        (32, Defect::Name),
        (36, Defect::Shape),
        (44, Defect::Damaged),
    ] {
        let mut other = bytes(&value(), b"x");
        other[offset] ^= if offset == 3 { 0x20 } else { 0x40 };
        assert_eq!(classify(&other), Lookup::Unusable(defect), "of byte {offset}");
    }
    // Behind a lease there is no checksum that would tell.
    for (offset, what) in [(1, "version"), (2, "kind"), (3, "flags"), (29, "meaning")] {
        let mut other = lease.alone().to_vec();
        other[offset] ^= 0x80;
        assert!(matches!(classify(&other), Lookup::Unusable(_)), "a lease of another {what} is waited for");
    }
}

#[test]
fn freshness_is_judged_by_the_clock_only_where_the_key_outlives_it() {
    let late = Timestamp::from_ticks(u64::MAX);
    assert!(matches!(classify(Some(&bytes(&value(), b"x")), "k", SCHEMA.into(), || late), Lookup::Fresh(_)));
    let outliving = bytes(&value().outliving(), b"x");
    assert!(matches!(classify(Some(&outliving), "k", SCHEMA.into(), || late), Lookup::Stale(_)));
}

#[test]
fn an_error_is_read_only_by_who_stores_that_error() {
    let mut failure = value();
    failure.flags = failure.flags.with(Flags::FAILURE);
    let failure_entry = bytes(&failure, b"x");
    let own = Fingerprint { name: SCHEMA.name, shape: SCHEMA.shape };
    let value = Schema { name: 5, shape: 6, ..SCHEMA };
    let classify = |failure, shape| {
        let expected = Expected { value, failure, shape };
        classify(Some(&failure_entry), "k", expected, || Timestamp::from_ticks(5))
    };
    assert!(matches!(classify(Some(own), Shape::Exact), Lookup::Fresh(_)));
    let other_shape = Some(Fingerprint { shape: 1, ..own });
    assert_eq!(classify(other_shape, Shape::Exact), Lookup::Unusable(Defect::Shape));
    assert!(matches!(classify(other_shape, Shape::Compatible), Lookup::Fresh(_)));
    for shape in [Shape::Exact, Shape::Compatible] {
        assert_eq!(classify(Some(Fingerprint { name: 1, ..own }), shape), Lookup::Unusable(Defect::Name));
        assert_eq!(classify(None, shape), Lookup::Unusable(Defect::Failure));
    }
}

#[test]
fn another_shape_is_read_where_it_may_be_and_never_another_name_or_codec() {
    let entry = bytes(&value(), b"x");
    let classify = |value, shape| {
        let expected = Expected { value, failure: None, shape };
        classify(Some(&entry), "k", expected, || Timestamp::from_ticks(5))
    };
    let other_shape = Schema { shape: 1, ..SCHEMA };
    assert_eq!(classify(other_shape, Shape::Exact), Lookup::Unusable(Defect::Shape));
    assert_eq!(classify(other_shape, Shape::Compatible), Lookup::Fresh(value()));
    let other_name = Schema { name: 1, ..other_shape };
    assert_eq!(classify(other_name, Shape::Compatible), Lookup::Unusable(Defect::Name));
    let other_codec = Schema { codec: 2, ..other_shape };
    assert_eq!(classify(other_codec, Shape::Compatible), Lookup::Unusable(Defect::Codec));
}

/// What a reader is served of an entry whose bit was flipped.
fn served(entry: &[u8], at: usize, bit: u8) -> Option<Vec<u8>> {
    let mut flipped = entry.to_vec();
    flipped[at] ^= 1 << bit;
    match classify(Some(&flipped), "k", SCHEMA.into(), || Timestamp::from_ticks(5)) {
        Lookup::Fresh(_) | Lookup::Stale(_) => Some(payload_of(&flipped)),
        _ => None,
    }
}

#[test]
fn a_flipped_bit_is_a_miss_wherever_no_script_writes() {
    for header in [value(), value().outliving()] {
        let entry = bytes(&header, b"a payload");
        for (at, bit) in (0..entry.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            // Token, lease deadline, and the flags of leases.
            let rewritten = (4..17).contains(&at) || at == 3 && matches!(bit, 0..=2);
            match served(&entry, at, bit) {
                Some(payload) => assert!(rewritten && payload == b"a payload", "bit {bit} of byte {at}"),
                None => assert!(!rewritten || at == 3, "bit {bit} of byte {at} says nothing of the value"),
            }
        }
    }
}

#[test]
fn an_entry_counts_only_at_the_key_that_it_was_written_at() {
    let entry = bytes(&value(), b"x");
    for other in ["", "kx", "K", "another"] {
        let lookup = classify(Some(&entry), other, SCHEMA.into(), || Timestamp::from_ticks(5));
        assert!(matches!(lookup, Lookup::Unusable(_)), "served at {other:?}");
    }
}

#[test]
fn a_lease_on_a_value_leaves_its_checksum_right() {
    let entry = bytes(&value(), b"x");
    let leased = value().flags.with(Flags::LEASED).with(Flags::OUTLIVES);
    for flags in [leased, leased.without(Flags::LEASED), leased.with(Flags::HELD_OFF)] {
        let rewritten = Header { flags, token: Token([9; 8]), lease_until: Timestamp::from_ticks(7), ..value() };
        let lookup = classify(Some(&rewritten.over(&entry)), "k", SCHEMA.into(), || Timestamp::from_ticks(5));
        assert_eq!(lookup, Lookup::Fresh(rewritten));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_no_header_or_one_that_is_written_as_it_was_read(
        mut bytes in prop::collection::vec(any::<u8>(), 0..90),
        flags in 0_u8..=255,
        begins_right in any::<bool>(),
    ) {
        if begins_right && bytes.len() > 29 {
            bytes[..2].copy_from_slice(&[MAGIC, VERSION]);
            (bytes[2], bytes[3], bytes[29]) = (bytes[2] % 4, flags, bytes[29] % 2);
        }
        if let Some(header) = Header::decode(&bytes) {
            prop_assert_eq!(&header.alone()[..44], &bytes[..44]);
            prop_assert_eq!(&header.over(&bytes)[..], &bytes[..]);
        }
    }

    #[test]
    fn only_what_was_written_for_this_reader_is_served(
        (codec, name, shape) in (0_u8..3, 0_u32..3, 0_u32..3),
        is_compatible in any::<bool>(),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        (at, change) in (0_usize..80, any::<u8>()),
    ) {
        let written = Header { schema: Schema { codec, name, shape, ..SCHEMA }, ..value() };
        let mut entry = bytes(&written, &payload);
        let at = at % entry.len();
        entry[at] ^= change;
        let allowed = if is_compatible { Shape::Compatible } else { Shape::Exact };
        let expected =
            Expected { value: Schema { codec: 1, name: 1, shape: 1, ..SCHEMA }, failure: None, shape: allowed };
        if let Lookup::Fresh(_) | Lookup::Stale(_) = classify(Some(&entry), "k", expected, Timestamp::now) {
            prop_assert_eq!((codec, name), (1, 1));
            prop_assert!(is_compatible || shape == 1);
            prop_assert_eq!(payload_of(&entry), payload);
        }
    }
}

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn text_of<P: KeyPart + ?Sized>(value: &P) -> String {
    let mut out = String::new();
    KeyWriter::new(&mut out).part(value);
    out
}

#[test]
fn values_read_as_a_person_would_write_them() {
    assert_eq!(text_of(&7_u64), "7");
    assert_eq!(text_of(&i128::MIN), "-170141183460469231731687303715884105728");
    assert_eq!(text_of("ada@example.org"), "ada%40example.org");
    assert_eq!(text_of("a:b c/ä"), "a%3Ab%20c%2F%C3%A4");
    assert_eq!(text_of(&Some("x")), "x");
    assert_eq!(text_of(&(1_u8, "a,b")), "(1,a%2Cb,)");
    assert_eq!(text_of(&["", "x"]), "[,x,]");
}

#[test]
fn what_is_nearly_the_same_differs() {
    assert_eq!(text_of(&None::<Option<&str>>), "!");
    assert_eq!(text_of(&Some(None::<&str>)), "!!");
    assert_eq!(text_of(&Some(Some(None::<&str>))), "!!!");
    assert_ne!(text_of(&Some("")), text_of(&None::<&str>));
    assert_ne!(text_of(&Some("!")), text_of(&None::<&str>));
    assert_ne!(text_of::<[&str]>(&[]), text_of::<[&str]>(&[""]));
    assert_ne!(text_of(&vec![vec!["a"], vec!["b"]]), text_of(&vec![vec!["a", "b"]]));
}

#[test]
fn long_keys_keep_their_beginning_and_never_equal_a_short_one() {
    let long = |tail: &str| format!("prod:{{tenant}}:{}{tail}", "x".repeat(MAX_LEN));
    let (a, b) = (finish(long("a")), finish(long("b")));
    assert_ne!(a, b);
    assert_eq!(a, finish(long("a")));
    assert!(a.starts_with("prod:{tenant}:xxx") && a.len() == MAX_LEN + 1, "{a}");
    let exact = "x".repeat(MAX_LEN);
    assert_eq!(finish(exact.clone()), exact);
    assert!(finish("ä".repeat(MAX_LEN)).len() > MAX_LEN);
}

#[test]
fn maps_and_sets_in_order_are_lists_of_what_they_hold() {
    let set = BTreeSet::from(["b", "a,"]);
    assert_eq!(text_of(&set), "[a%2C,b,]");
    let map = BTreeMap::from([(2, Some("b")), (1, None)]);
    assert_eq!(text_of(&map), "[(1,!,),(2,b,),]");
    assert_ne!(text_of(&BTreeMap::from([("a", "b"), ("c", "d")])), text_of(&BTreeMap::from([("a", "b,),(c,d")])));
    assert_ne!(text_of(&BTreeSet::<&str>::new()), text_of(&BTreeSet::from([""])));
}

/// What a template with three placeholders makes of three values.
fn key_of(values: &(String, Option<String>, Vec<String>)) -> String {
    let mut out = String::from("k:");
    let mut writer = KeyWriter::new(&mut out);
    writer.part(&values.0);
    writer.raw(':');
    writer.part(&values.1);
    writer.raw('/');
    writer.part(&values.2);
    finish(out)
}

/// Texts made of the characters that keys give a meaning to, so that accidents would happen if they could.
fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[:/!,%\\[\\](){}<>a0-]{0,4}", 1 => any::<String>(), 1 => "x{200,300}[ab]?"]
}

fn arguments() -> impl Strategy<Value = (String, Option<String>, Vec<String>)> {
    (nasty(), proptest::option::of(nasty()), proptest::collection::vec(nasty(), 0..3))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn different_arguments_never_share_a_key(a in arguments(), b in arguments()) {
        prop_assert_eq!(a == b, key_of(&a) == key_of(&b), "{:?} and {:?}", a, b);
    }

    #[test]
    fn a_value_stays_within_its_alphabet(value in arguments()) {
        let alphabet = |c: char| c.is_ascii_alphanumeric() || "-._~%!()[],".contains(c);
        prop_assert!(text_of(&value).chars().all(alphabet));
    }
}

#[test]
fn addresses_are_written_as_they_print() {
    assert_eq!(text_of(&std::net::IpAddr::from([127, 0, 0, 1])), "127.0.0.1");
    assert_eq!(text_of(&std::net::SocketAddr::from(([127, 0, 0, 1], 80))), "127.0.0.1%3A80");
    assert_eq!(text_of(&((), 1_u8)), "(,1,)");
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_is_hyphenated() {
    let uuid = uuid::Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    assert_eq!(text_of(&uuid), "67e55044-10b1-426f-9247-bb680e5fe0c8");
}

#[cfg(feature = "chrono")]
#[test]
fn chrono_times_keep_every_nanosecond_and_their_offset() {
    use chrono::{DateTime, FixedOffset, Utc};

    let instant = DateTime::from_timestamp(1_700_000_000, 1).expect("in range");
    assert_eq!(text_of::<DateTime<Utc>>(&instant), "2023-11-14T22%3A13%3A20.000000001%2B00%3A00");
    let east = FixedOffset::east_opt(3600).expect("in range");
    assert_eq!(text_of(&instant.with_timezone(&east)), "2023-11-14T23%3A13%3A20.000000001%2B01%3A00");
    assert_eq!(text_of(&instant.date_naive()), "2023-11-14");
    assert_eq!(text_of(&instant.naive_utc()), "2023-11-14%2022%3A13%3A20.000000001");
}

#[cfg(feature = "time")]
#[test]
fn times_keep_every_nanosecond_and_their_offset() {
    let instant = time::OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_000_000_001).expect("in range");
    let east = time::UtcOffset::from_hms(1, 0, 0).expect("in range");
    assert_ne!(text_of(&instant), text_of(&instant.to_offset(east)));
    assert!(text_of(&instant).contains("20.000000001"), "{}", text_of(&instant));
    assert_eq!(text_of(&instant.date()), "2023-11-14");
}

//! Every codec, the same cases.

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Plan {
    Free,
    Team { seats: u32, owner: Option<String> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    id: u64,
    name: String,
    plans: Vec<Plan>,
    balance: f64,
}

fn account() -> Account {
    let team = Plan::Team { seats: 3, owner: Some("ada".into()) };
    Account { id: u64::MAX, name: "Ada Lovelace".into(), plans: vec![Plan::Free, team], balance: -0.5 }
}

fn holds_what_it_was_given_and_refuses_damage<C: Codec>() {
    let mut bytes = Vec::from(*b"header");
    C::encode(&account(), &mut bytes).expect("encodes");
    assert!(bytes.starts_with(b"header"), "encoding appends");
    let bytes = &bytes[6..];
    assert_eq!(C::decode::<Account>(bytes).expect("decodes"), account());
    for len in 0..bytes.len() {
        assert!(C::decode::<Account>(&bytes[..len]).is_err(), "a value cut to {len} bytes is served");
    }
    let longer: Vec<u8> = bytes.iter().chain(b"\0").copied().collect();
    assert!(C::decode::<Account>(&longer).is_err(), "trailing bytes are served");
    // Flipped bits may give another value, but never a panic.
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        drop(C::decode::<Account>(&flipped));
    }
}

#[test]
fn message_pack_holds_what_it_was_given_and_refuses_damage() {
    holds_what_it_was_given_and_refuses_damage::<MessagePack>();
}

#[cfg(feature = "json")]
#[test]
fn json_holds_what_it_was_given_and_refuses_damage() {
    holds_what_it_was_given_and_refuses_damage::<Json>();
}

#[cfg(feature = "bincode")]
#[test]
fn bincode_holds_what_it_was_given_and_refuses_damage() {
    holds_what_it_was_given_and_refuses_damage::<Bincode>();
}

#[cfg(feature = "postcard")]
#[test]
fn postcard_holds_what_it_was_given_and_refuses_damage() {
    holds_what_it_was_given_and_refuses_damage::<Postcard>();
}

#[test]
fn message_pack_survives_untagged_flatten_and_skipped_fields() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Named { name: String },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        left_out: Option<u8>,
        kept: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        either: Vec<Either>,
        #[serde(flatten)]
        inner: Inner,
    }
    let value = Outer {
        either: vec![Either::Number(7), Either::Named { name: "x".into() }],
        inner: Inner { left_out: None, kept: 1 },
    };
    let mut bytes = Vec::new();
    MessagePack::encode(&value, &mut bytes).expect("encodes");
    assert_eq!(MessagePack::decode::<Outer>(&bytes).expect("decodes"), value);
}

/// A text that its type refuses to write and to read, and says so in full.
#[derive(Debug)]
struct Refused(&'static str);

impl Serialize for Refused {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(self.0))
    }
}

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).and_then(|text| Err(serde::de::Error::custom(text)))
    }
}

fn an_error_contains_nothing_of_the_value<C: Codec>() {
    const SECRET: &str = "hunter2 and more";
    let mut bytes = Vec::new();
    C::encode(&SECRET, &mut bytes).expect("a text");
    let decoded = [
        C::decode::<(u64, u64)>(&bytes).map(drop),
        C::decode::<Plan>(&bytes).map(drop),
        C::decode::<Account>(&bytes).map(drop),
        C::decode::<Refused>(&bytes).map(drop),
        C::encode(&Refused(SECRET), &mut Vec::new()),
    ];
    for error in decoded.into_iter().filter_map(Result::err) {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(std::error::Error::source(&error).is_none(), "{shown}");
    }
}

#[test]
fn an_error_of_message_pack_contains_nothing_of_the_value() {
    an_error_contains_nothing_of_the_value::<MessagePack>();
    let error = MessagePack::decode::<String>(b"\x07").expect_err("a number");
    assert_eq!(error.to_string(), "cannot decode a `alloc::string::String`: invalid type");
}

#[cfg(feature = "json")]
#[test]
fn an_error_of_json_contains_nothing_of_the_value() {
    an_error_contains_nothing_of_the_value::<Json>();
}

#[cfg(feature = "bincode")]
#[test]
fn an_error_of_bincode_contains_nothing_of_the_value() {
    an_error_contains_nothing_of_the_value::<Bincode>();
}

#[cfg(feature = "postcard")]
#[test]
fn an_error_of_postcard_contains_nothing_of_the_value() {
    an_error_contains_nothing_of_the_value::<Postcard>();
}

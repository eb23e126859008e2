//! Every bound, with every codec.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::*;
use crate::codec::{CodecId, MessagePack};

/// A codec of the user's own: its format has no bounds that matter here.
struct Own;

impl Codec for Own {
    const ID: CodecId = CodecId::custom(200);

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
        serializer.unstable_set_max_depth(usize::MAX);
        value.serialize(&mut serializer).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
        deserializer.set_max_depth(usize::MAX);
        T::deserialize(&mut deserializer).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }
}

fn encoded<C: Codec, T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let meter = Meter::new(0);
    C::encode_within(value, &mut out, &meter).expect("it encodes");
    assert_eq!(meter.passed(), None);
    out
}

/// Runs the body with each codec.
macro_rules! with_each_codec {
    (|$codec:ident| $body:expr) => {{
        #[cfg(feature = "json")]
        {
            type $codec = crate::codec::Json;
            $body;
        }
        #[cfg(feature = "bincode")]
        {
            type $codec = crate::codec::Bincode;
            $body;
        }
        #[cfg(feature = "postcard")]
        {
            type $codec = crate::codec::Postcard;
            $body;
        }
        {
            type $codec = MessagePack;
            $body;
        }
        {
            type $codec = Own;
            $body;
        }
    }};
}

mod transparency;

/// Each node is two levels: itself, and a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node(u8, Vec<Node>);

fn nodes(count: u32) -> Node {
    (1..count).fold(Node(0, Vec::new()), |inner, _| Node(0, vec![inner]))
}

/// Nothing but newtypes and options.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[test]
fn every_codec_decodes_the_same_number_of_levels() {
    with_each_codec!(|C| {
        let most = nodes(LEVELS / 2);
        let mut bytes = Vec::new();
        encode::<C, _>(&most, &mut bytes).expect("it is within the bound");
        assert_eq!(decode::<C, Node>(&bytes).expect("it is within the bound"), most);
        let error = encode::<C, _>(&nodes(LEVELS / 2 + 1), &mut Vec::new()).expect_err("it is past the bound");
        assert!(error.to_string().contains("120 levels"), "{error}");
        assert!(!error.to_string().contains("Metered"), "it names the user's type: {error}");
    });
}

#[test]
fn bytes_past_the_level_bound_say_so() {
    // One more level around the deepest value, as each format writes it.
    let mut bytes = encoded::<MessagePack, _>(&nodes(LEVELS / 2));
    bytes.splice(0..0, [0x92, 0, 0x91]);
    let error = decode::<MessagePack, Node>(&bytes).expect_err("it is past the bound");
    assert!(error.to_string().contains("120 levels") && error.to_string().contains("Node"), "{error}");
}

#[test]
fn newtypes_and_options_are_levels() {
    let chain = |count: u32| (0..count).fold(Chain(None), |inner, _| Chain(Some(Box::new(inner))));
    with_each_codec!(|C| {
        encode::<C, _>(&chain(LEVELS / 2 - 1), &mut Vec::new()).expect("it is within the bound");
        encode::<C, _>(&chain(LEVELS / 2), &mut Vec::new()).expect_err("it is past the bound");
    });
}

#[test]
fn variants_are_levels() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Expr {
        Not(Box<Expr>),
        And(Box<Expr>, Box<Expr>),
        Named { inner: Box<Expr> },
        True,
    }
    type Wrap = fn(Expr) -> Expr;
    let wraps: [(Wrap, u32); 3] = [
        (|inner| Expr::Not(Box::new(inner)), 1),
        (|inner| Expr::And(Box::new(inner), Box::new(Expr::True)), 2),
        (|inner| Expr::Named { inner: Box::new(inner) }, 2),
    ];
    for (wrap, levels) in wraps {
        let nested = |count: u32| (0..count).fold(Expr::True, |inner, _| wrap(inner));
        with_each_codec!(|C| {
            let (most, mut bytes) = (nested((LEVELS - 1) / levels), Vec::new());
            encode::<C, _>(&most, &mut bytes).expect("it is within the bound");
            assert_eq!(decode::<C, Expr>(&bytes).expect("it is within the bound"), most);
            encode::<C, _>(&nested(LEVELS / levels + 1), &mut bytes).expect_err("it is past the bound");
        });
    }
}

#[cfg(feature = "json")]
#[test]
fn what_serde_may_buffer_has_fewer_levels() {
    fn refused_past_them<C: Codec>() -> String {
        let nested = |levels| (0..levels).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
        let (most, mut bytes) = (nested(LEVELS / BUFFERED_LEVELS), Vec::new());
        encode_readable::<C, _>(&most, &mut bytes).expect("it is within the bound");
        assert_eq!(decode::<C, serde_json::Value>(&bytes).expect("it is within the bound"), most);
        let error = encode_readable::<C, _>(&nested(LEVELS / BUFFERED_LEVELS + 1), &mut Vec::new());
        error.expect_err("it is past the bound").to_string()
    }
    for error in [refused_past_them::<MessagePack>(), refused_past_them::<crate::codec::Json>()] {
        assert!(error.contains("40 where it is buffered"), "{error}");
    }
    // Whatever a codec of the user's own makes of it.
    let error = refused_past_them::<Own>();
    assert!(error.contains("cannot be decoded"), "{error}");
}

/// Gives up on what it cannot read, and goes on with nothing.
#[derive(Debug, PartialEq, Serialize)]
#[serde(transparent)]
struct Lenient(Option<Node>);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Node::deserialize(deserializer).ok()))
    }
}

#[test]
fn a_type_that_ignores_errors_makes_no_other_value_of_what_is_too_deep() {
    let bytes = encoded::<MessagePack, _>(&nodes(LEVELS / 2));
    let deeper = [&[0x92, 0, 0x91], &bytes[..]].concat();
    assert_eq!(
        decode::<MessagePack, Lenient>(&bytes).expect("it is within the bound"),
        Lenient(Some(nodes(LEVELS / 2)))
    );
    decode::<Own, Lenient>(&deeper).expect_err("it is too deep");
    decode::<MessagePack, Lenient>(&deeper).expect_err("it is too deep");
}

#[test]
fn what_cannot_be_read_back_is_not_stored() {
    /// Encodes, and decodes to nothing.
    #[derive(Debug, Serialize)]
    #[serde(transparent)]
    struct Unreadable(Node);
    impl<'de> Deserialize<'de> for Unreadable {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(D::Error::custom("not I"))
        }
    }
    with_each_codec!(|C| {
        encode_readable::<C, _>(&Unreadable(nodes(PLAIN_LEVELS / 2)), &mut Vec::new()).expect("it is not looked at");
        let error = encode_readable::<C, _>(&Unreadable(nodes(PLAIN_LEVELS)), &mut Vec::new()).expect_err("no reader");
        assert!(error.to_string().contains("cannot be decoded") && !error.to_string().contains("not I"), "{error}");
    });
}

#[test]
fn what_is_stored_takes_less_stack_to_read_than_a_reader_has() {
    /// Takes a part of the stack that a reader has, out of sight of whoever encodes it.
    #[derive(Debug, Serialize)]
    #[serde(transparent)]
    struct Hungry(Node);
    impl<'de> Deserialize<'de> for Hungry {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            #[expect(clippy::large_stack_arrays, reason = "it is the stack that is to be taken")]
            let room = [0_u8; STORED_STACK];
            let value = Node::deserialize(deserializer).map(Self);
            std::hint::black_box(&room);
            value
        }
    }
    with_each_codec!(|C| {
        let (value, mut bytes) = (Hungry(nodes(PLAIN_LEVELS)), Vec::new());
        encode::<C, _>(&value, &mut bytes).expect("encoding takes little");
        decode::<C, Hungry>(&bytes).expect("a reader has as much");
        let error = encode_readable::<C, _>(&value, &mut Vec::new()).expect_err("a reader of another build may not");
        assert!(error.to_string().contains("KiB of stack"), "{error}");
    });
}

/// What takes no bytes in some formats, and room in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Skipped {
    #[serde(skip)]
    room: u64,
}

/// A codec of the user's own, whose format writes no bytes for units.
#[cfg(feature = "postcard")]
struct OwnPostcard;

#[cfg(feature = "postcard")]
impl Codec for OwnPostcard {
    const ID: CodecId = CodecId::custom(201);

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let encoded = postcard::to_stdvec(value).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))?;
        out.extend(encoded);
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        postcard::from_bytes(bytes).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }
}

/// Decodes nothing but the length of a list or map: postcard and bincode write it as they write a number.
#[cfg(any(feature = "postcard", feature = "bincode"))]
fn of_length<C: Codec, T: DeserializeOwned>(length: usize) -> Result<T, Error> {
    decode::<C, T>(&encoded::<C, _>(&length))
}

#[cfg(any(feature = "postcard", feature = "bincode"))]
fn bounds_elements_that_take_no_bytes<C: Codec>() {
    assert_eq!(of_length::<C, Vec<()>>(FREE).expect("it is within the bound").len(), FREE);
    assert_eq!(of_length::<C, Vec<Skipped>>(FREE).expect("it is within the bound").len(), FREE);
    of_length::<C, Vec<()>>(FREE + 1).expect_err("it is past the bound");
    // Whoever counts to this gets a value.
    let claimed = FREE * 8;
    of_length::<C, Vec<()>>(claimed).expect_err("it is past the bound");
    of_length::<C, Vec<Skipped>>(claimed).expect_err("it is past the bound");
    of_length::<C, Vec<[(); 3]>>(claimed).expect_err("it is past the bound");
    of_length::<C, Vec<((), PhantomData<u8>)>>(claimed).expect_err("it is past the bound");
    of_length::<C, BTreeMap<(), Skipped>>(claimed).expect_err("it is past the bound");
}

#[cfg(feature = "postcard")]
#[test]
fn postcard_bounds_elements_that_take_no_bytes() {
    bounds_elements_that_take_no_bytes::<crate::codec::Postcard>();
    bounds_elements_that_take_no_bytes::<OwnPostcard>();
    let error = of_length::<crate::codec::Postcard, Vec<()>>(usize::MAX).expect_err("it is past the bound");
    assert!(error.to_string().contains("take no bytes"), "{error}");
}

#[cfg(feature = "bincode")]
#[test]
fn bincode_bounds_elements_that_take_no_bytes() {
    bounds_elements_that_take_no_bytes::<crate::codec::Bincode>();
}

#[cfg(feature = "postcard")]
#[test]
fn many_short_lists_of_elements_that_take_no_bytes_are_bound_together() {
    // Ten elements each, too few for one list to be looked at by itself.
    let lists = vec![vec![(); 10]; FREE / 10 + 1];
    let bytes = postcard::to_stdvec(&lists).expect("it encodes");
    let error = decode::<crate::codec::Postcard, Vec<Vec<()>>>(&bytes).expect_err("it is past the bound");
    assert!(error.to_string().contains("take no bytes"), "{error}");
}

#[test]
fn what_takes_bytes_is_not_bound_by_its_number() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        id: u64,
        tags: Vec<String>,
        kind: PhantomData<u8>,
        nothing: (),
        names: BTreeMap<u8, Skipped>,
    }
    let row = |id| Row { id, tags: Vec::new(), kind: PhantomData, nothing: (), names: BTreeMap::new() };
    let rows: Vec<Row> = (0..FREE as u64 + 1_000).map(row).collect();
    with_each_codec!(|C| {
        let mut bytes = Vec::new();
        encode_readable::<C, _>(&rows, &mut bytes).expect("each takes bytes");
        assert!(decode::<C, Vec<Row>>(&bytes).expect("each takes bytes") == rows);
    });
}

#[test]
fn elements_that_take_no_bytes_are_bound_when_they_are_stored() {
    with_each_codec!(|C| {
        let mut bytes = Vec::new();
        encode_readable::<C, _>(&vec![(); FREE], &mut bytes).expect("it is within the bound");
        assert_eq!(decode::<C, Vec<()>>(&bytes).expect("it is within the bound").len(), FREE);
        let error = encode_readable::<C, _>(&vec![(); FREE + 1], &mut Vec::new()).expect_err("it is past the bound");
        assert!(error.to_string().contains("take no bytes"), "{error}");
    });
}

#[cfg(feature = "postcard")]
#[test]
fn a_type_is_told_to_expect_no_more_elements_than_there_can_be() {
    /// What a type was told to expect.
    #[derive(Debug, PartialEq)]
    struct Told(Option<usize>);
    struct Asks;
    impl<'de> Visitor<'de> for Asks {
        type Value = Told;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Told, A::Error> {
            Ok(Told(map.size_hint()))
        }
    }
    impl<'de> Deserialize<'de> for Told {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Asks)
        }
    }
    // A byte for the length, and no elements.
    assert_eq!(of_length::<crate::codec::Postcard, Told>(1).expect("the length alone"), Told(Some(1)));
    assert_eq!(of_length::<crate::codec::Postcard, Told>(100).expect("the length alone"), Told(Some(1)));
    for (claimed, told) in [(7, 7), (EXPECTED, EXPECTED), (usize::MAX, EXPECTED)] {
        assert_eq!(of_length::<OwnPostcard, Told>(claimed).expect("the length alone"), Told(Some(told)));
    }
}

/// Runs with no more stack than the threads of tokio have.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(test).expect("a thread starts");
    thread.join().expect("the test passes");
}

#[test]
fn a_field_that_is_not_known_is_skipped_within_the_bounds() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Known {
        known: u8,
    }
    let with_a_field = |levels| {
        let mut bytes = vec![0x82, 0xA1, b'x'];
        bytes.extend(vec![0x91; levels]);
        bytes.extend([0xC0, 0xA5]);
        bytes.extend(b"known\x07");
        bytes
    };
    on_a_small_stack(move || {
        // As many as rmp-serde allows, and more.
        for levels in [1_000, 100_000] {
            decode::<MessagePack, Known>(&with_a_field(levels)).expect_err("it is nested too deep");
            decode::<Own, Known>(&with_a_field(levels)).expect_err("it is nested too deep");
        }
        assert_eq!(decode::<Own, Known>(&with_a_field(100)).expect("it is within the bound"), Known { known: 7 });
    });
}

#[test]
fn bytes_that_are_left_over_are_not_followed_into_their_depth() {
    on_a_small_stack(|| {
        let bytes = [&[7][..], &vec![0x91; 1_000], &[0xC0]].concat();
        decode::<MessagePack, u8>(&bytes).expect_err("there are bytes left");
    });
}

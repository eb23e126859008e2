//! What a type can observe of a format, and a format of a type, stays as it is.

use std::net::IpAddr;

use serde::de::{DeserializeSeed, EnumAccess, IgnoredAny, SeqAccess, VariantAccess};

use super::*;

/// What a type was called with, in order.
type Log = Vec<String>;

/// Asks for something and notes what it gets, all the way down.
struct Asks<'l> {
    log: &'l mut Log,
    how: u8,
}

macro_rules! noted {
    ($($method:ident: $value:ty;)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $value) -> Result<(), E> {
            self.log.push(format!("{} {value:?}", stringify!($method)));
            Ok(())
        }
    )*};
}

impl<'de> Visitor<'de> for Asks<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything at all")
    }

    noted! {
        visit_bool: bool; visit_char: char; visit_f32: f32; visit_f64: f64;
        visit_i8: i8; visit_i16: i16; visit_i32: i32; visit_i64: i64; visit_i128: i128;
        visit_u8: u8; visit_u16: u16; visit_u32: u32; visit_u64: u64; visit_u128: u128;
        visit_str: &str; visit_borrowed_str: &'de str; visit_string: String;
        visit_bytes: &[u8]; visit_borrowed_bytes: &'de [u8]; visit_byte_buf: Vec<u8>;
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.log.push("none".to_owned());
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.log.push("unit".to_owned());
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.log.push("some".to_owned());
        asks(self.log, 0, deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.log.push("newtype".to_owned());
        asks(self.log, 0, deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.log.push(format!("seq {:?}", seq.size_hint()));
        while seq.next_element_seed(Asks { log: &mut *self.log, how: 0 })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.log.push(format!("map {:?}", map.size_hint()));
        while map.next_key_seed(Asks { log: &mut *self.log, how: 0 })?.is_some() {
            map.next_value_seed(Asks { log: &mut *self.log, how: 0 })?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        self.log.push("enum".to_owned());
        let ((), variant) = access.variant_seed(Asks { log: &mut *self.log, how: 0 })?;
        variant.newtype_variant_seed(Asks { log: &mut *self.log, how: 0 })
    }
}

impl<'de> DeserializeSeed<'de> for Asks<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        asks(self.log, self.how, deserializer)
    }
}

/// Every method of a deserializer has its number.
fn asks<'de, D: Deserializer<'de>>(log: &mut Log, how: u8, deserializer: D) -> Result<(), D::Error> {
    log.push(format!("human readable: {}", deserializer.is_human_readable()));
    let visitor = Asks { log, how };
    match how {
        0 => deserializer.deserialize_any(visitor),
        1 => deserializer.deserialize_bool(visitor),
        2 => deserializer.deserialize_i8(visitor),
        3 => deserializer.deserialize_i16(visitor),
        4 => deserializer.deserialize_i32(visitor),
        5 => deserializer.deserialize_i64(visitor),
        6 => deserializer.deserialize_i128(visitor),
        7 => deserializer.deserialize_u8(visitor),
        8 => deserializer.deserialize_u16(visitor),
        9 => deserializer.deserialize_u32(visitor),
        10 => deserializer.deserialize_u64(visitor),
        11 => deserializer.deserialize_u128(visitor),
        12 => deserializer.deserialize_f32(visitor),
        13 => deserializer.deserialize_f64(visitor),
        14 => deserializer.deserialize_char(visitor),
        15 => deserializer.deserialize_str(visitor),
        16 => deserializer.deserialize_string(visitor),
        17 => deserializer.deserialize_bytes(visitor),
        18 => deserializer.deserialize_byte_buf(visitor),
        19 => deserializer.deserialize_option(visitor),
        20 => deserializer.deserialize_unit(visitor),
        21 => deserializer.deserialize_unit_struct("Unit", visitor),
        22 => deserializer.deserialize_newtype_struct("_ExtStruct", visitor),
        23 => deserializer.deserialize_newtype_struct("Newtype", visitor),
        24 => deserializer.deserialize_seq(visitor),
        25 => deserializer.deserialize_tuple(2, visitor),
        26 => deserializer.deserialize_tuple_struct("Pair", 2, visitor),
        27 => deserializer.deserialize_map(visitor),
        28 => deserializer.deserialize_struct("Struct", &["a", "b"], visitor),
        29 => deserializer.deserialize_enum("Enum", &["a", "b"], visitor),
        30 => deserializer.deserialize_identifier(visitor),
        _ => deserializer.deserialize_ignored_any(visitor),
    }
}

/// The log of one deserializer beside that of the same one under measurement.
macro_rules! assert_alike {
    ($how:expr, $deserializer:expr) => {{
        let (mut plain, mut measured, meter) = (Log::new(), Log::new(), Meter::new(usize::MAX));
        let outcome = asks(&mut plain, $how, $deserializer).map_err(|error| error.to_string());
        let same = asks(&mut measured, $how, Metered::new($deserializer, &meter)).map_err(|error| error.to_string());
        assert_eq!((measured, same), (plain, outcome), "asked in way {}", $how);
    }};
}

#[test]
fn a_type_sees_of_message_pack_what_it_would_see_without() {
    let inputs: [&[u8]; 14] = [
        b"\xC0",
        b"\xC3",
        b"\x07",
        b"\xE0",
        b"\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\xCA\x3F\x80\0\0",
        b"\xA1x",
        b"\xA2\xFF\xFF",
        b"\xC4\x02ab",
        b"\xD4\x07x",
        b"\x92\x01\xC0",
        b"\x81\xA1a\x01",
        b"\x82\xA1a\x91\x01\xA1b\x80",
        b"\xC4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09",
    ];
    for how in 0..32 {
        for input in inputs {
            assert_alike!(how, &mut rmp_serde::Deserializer::from_read_ref(input));
        }
    }
}

#[cfg(feature = "json")]
#[test]
fn a_type_sees_of_json_what_it_would_see_without() {
    let inputs = [
        "null",
        "true",
        "7",
        "-7",
        "1.5",
        "18446744073709551615",
        r#""x""#,
        r#""a\nb""#,
        "[1,[null]]",
        "{}",
        r#"{"a":1}"#,
        r#"{"a":{"b":[]},"b":null}"#,
        "340282366920938463463374607431768211455",
    ];
    for how in 0..32 {
        for input in inputs {
            assert_alike!(how, &mut serde_json::Deserializer::from_str(input));
        }
    }
}

#[cfg(feature = "postcard")]
#[test]
fn a_type_sees_of_postcard_what_it_would_see_without() {
    for how in 0..32 {
        for input in [&b"\0\0\0\0"[..], b"\x01\x01\x01\x01\x01", b"\x02ab\x03abc", b"\xFF\xFF\x03\0\0"] {
            assert_alike!(how, &mut postcard::Deserializer::from_bytes(input));
        }
    }
}

#[cfg(feature = "bincode")]
#[test]
fn a_type_sees_of_bincode_what_it_would_see_without() {
    use bincode::serde::BorrowedSerdeDecoder;
    let decoder = |input| BorrowedSerdeDecoder::from_slice(input, bincode::config::standard(), ());
    for how in 0..32 {
        for input in [&b"\0\0\0\0"[..], b"\x01\x01\x01\x01\x01", b"\x02ab\x03abc", b"\xFB\xFF\xFF\0\0"] {
            assert_alike!(how, decoder(input).as_deserializer());
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(i128);
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Variants {
    Unit,
    Newtype(u128),
    Tuple(char, f32),
    Struct { a: bool, b: IpAddr },
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    numbers: (i8, i16, i32, i64, u8, u16, u32, u64, f64),
    unit: Unit,
    nothing: (),
    newtype: Newtype,
    variants: Vec<Variants>,
    options: [Option<u8>; 2],
    texts: BTreeMap<String, Box<str>>,
    address: IpAddr,
    since: std::time::Duration,
}

fn everything() -> Everything {
    let address: IpAddr = "127.0.0.1".parse().expect("it is one");
    Everything {
        numbers: (-1, -300, -70_000, i64::MIN, 1, 300, 70_000, u64::MAX, 0.1),
        unit: Unit,
        nothing: (),
        newtype: Newtype(i128::MIN),
        variants: vec![
            Variants::Unit,
            Variants::Newtype(u128::MAX),
            Variants::Tuple('é', 0.5),
            Variants::Struct { a: true, b: address },
        ],
        options: [None, Some(1)],
        texts: BTreeMap::from([("a".to_owned(), "b".into()), (String::new(), "".into())]),
        address,
        since: std::time::Duration::from_millis(1_500),
    }
}

#[test]
fn a_format_writes_what_it_would_write_without() {
    let value = everything();
    assert_eq!(encoded::<MessagePack, _>(&value), rmp_serde::to_vec_named(&value).expect("it encodes"));
    #[cfg(feature = "json")]
    assert_eq!(encoded::<crate::codec::Json, _>(&value), serde_json::to_vec(&value).expect("it encodes"));
    #[cfg(feature = "postcard")]
    assert_eq!(encoded::<crate::codec::Postcard, _>(&value), postcard::to_stdvec(&value).expect("it encodes"));
    #[cfg(feature = "bincode")]
    assert_eq!(
        encoded::<crate::codec::Bincode, _>(&value),
        bincode::serde::encode_to_vec(&value, bincode::config::standard()).expect("it encodes")
    );
}

#[test]
fn a_value_of_everything_comes_back() {
    with_each_codec!(|C| {
        let (value, mut bytes) = (everything(), Vec::new());
        encode_readable::<C, _>(&value, &mut bytes).expect("it is flat");
        assert_eq!(decode::<C, Everything>(&bytes).expect("it is flat"), value);
    });
}

#[test]
fn an_extension_of_message_pack_stays_one() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension((i8, Bytes));
    #[derive(Debug, PartialEq)]
    struct Bytes(Vec<u8>);
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    struct Buffer;
    impl Visitor<'_> for Buffer {
        type Value = Bytes;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }
        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes(bytes.to_vec()))
        }
    }
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_byte_buf(Buffer)
        }
    }
    let bytes = encoded::<MessagePack, _>(&Extension((7, Bytes(b"abcd".to_vec()))));
    assert_eq!(bytes, b"\xD6\x07abcd");
    let extension = decode::<MessagePack, Extension>(&bytes).expect("it is one");
    assert_eq!(extension, Extension((7, Bytes(b"abcd".to_vec()))));
}

#[test]
fn anything_can_be_skipped() {
    let bytes = encoded::<MessagePack, _>(&everything());
    decode::<MessagePack, IgnoredAny>(&bytes).expect("it is whole");
}

//! Values that are nested, and lengths that claim what is not there: no bytes overflow the stack of a thread of tokio,
//! or make elements of nothing.
//!
//! A stack that overflows aborts this binary, and its input is not printed: run the one test again to find it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

use cache_runtime::{Bincode, Cache, Codec, CodecId, Error, ErrorKind, Json, MessagePack, Postcard, redis_cached};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use support::{Wide, built, on_a_small_stack};

use crate::entries::{Shelf, Shown, set};
use crate::mutate::fuzz;

/// What the bytes of input may cost, each: the largest type here, once for a list that grows and once for what it grew
/// from, and for each level of a nested value as many as its bytes claim.
const PER_BYTE: u64 = 4 << 10;

/// What elements that take no bytes may cost.
const FREE: u64 = 8 << 20;

/// Nested in every way that serde derives.
#[derive(Default, Serialize, Deserialize)]
enum Tree {
    #[default]
    Leaf,
    Optional(Option<Box<Tree>>),
    Pair(Box<Tree>, u8),
    Named {
        inner: Box<Tree>,
    },
    List(Vec<Tree>),
    Table(HashMap<String, Tree>),
    Chain(Chain),
}

/// Takes a byte for each level, and no list.
#[derive(Default, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

fn trees() -> [Tree; 7] {
    let inner = || Box::new(Tree::List(vec![Tree::Leaf]));
    [
        Tree::Leaf,
        Tree::Optional(Some(inner())),
        Tree::Pair(inner(), 7),
        Tree::Named { inner: inner() },
        Tree::List(vec![Tree::Pair(inner(), 7)]),
        Tree::Table(HashMap::from([("a".to_owned(), Tree::Optional(Some(inner())))])),
        Tree::Chain(Chain(Some(Box::default()))),
    ]
}

/// What serde collects in a buffer first.
#[derive(Default, Serialize, Deserialize)]
struct Flattened {
    name: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Default, Serialize, Deserialize)]
struct Rest {
    rows: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Row {
    Wide(Box<Wide>),
    Nested(Box<Flattened>),
}

/// Takes no bytes in some formats, and room in memory.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Skipped(#[serde(skip)] [u64; 8]);

#[derive(Default, Serialize, Deserialize)]
struct Claims {
    nothing: Vec<()>,
    phantoms: Vec<(PhantomData<u8>, [(); 3])>,
    skipped: Vec<Skipped>,
    table: BTreeMap<u8, Skipped>,
    lists: Vec<Vec<Skipped>>,
}

fn decodes_on_a_small_stack<C: Codec, T: Serialize + DeserializeOwned>(values: &[T]) {
    let encoded = |value| {
        let mut bytes = Vec::new();
        C::encode(value, &mut bytes).map(|()| bytes)
    };
    let seeds: Vec<Vec<u8>> = values.iter().map(|value| encoded(value).expect("it encodes")).collect();
    on_a_small_stack(|| {
        fuzz(&seeds, |bytes| {
            let cost = allocation_counter::measure(|| drop(C::decode::<T>(bytes)));
            let most = FREE + PER_BYTE * bytes.len() as u64;
            assert!(cost.bytes_max <= most, "{} bytes are allocated for {}", cost.bytes_max, bytes.len());
        });
    });
}

macro_rules! targets {
    ($($name:ident: $codec:ty;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn trees_of_everything() {
                decodes_on_a_small_stack::<$codec, _>(&trees());
            }

            #[test]
            fn chains() {
                decodes_on_a_small_stack::<$codec, _>(&[Chain::default(), Chain(Some(Box::default()))]);
            }

            #[test]
            fn wide_rows() {
                decodes_on_a_small_stack::<$codec, _>(&[Wide::nested(0), Wide::nested(1), Wide::nested(4)]);
            }

            #[test]
            fn claimed_lengths() {
                let skipped = vec![Skipped::default(); 3];
                let claims = Claims { nothing: vec![(); 300], lists: vec![skipped.clone(); 2], skipped, ..Claims::default() };
                decodes_on_a_small_stack::<$codec, _>(&[Claims::default(), claims]);
            }
        }
    )*};
}
targets! {
    message_pack: MessagePack;
    json: Json;
    bincode: Bincode;
    postcard: Postcard;
}

/// Only formats that describe themselves hold these.
macro_rules! buffered_targets {
    ($($name:ident: $codec:ty;)*) => {$(
        #[test]
        fn $name() {
            let around = |row| Flattened { name: None, rest: Rest { rows: vec![row] } };
            let nested = around(Row::Nested(Box::new(around(Row::Nested(Box::default())))));
            decodes_on_a_small_stack::<$codec, _>(&[Flattened::default(), around(Row::Wide(Box::new(Wide::nested(1)))), nested]);
        }
    )*};
}
buffered_targets! {
    buffered_message_pack: MessagePack;
    buffered_json: Json;
}

#[test]
fn anything_in_json() {
    decodes_on_a_small_stack::<Json, _>(&[serde_json::json!([[[{ "a": [null] }]]])]);
}

#[test]
fn anything_in_message_pack() {
    decodes_on_a_small_stack::<MessagePack, _>(&[serde_json::json!([[[{ "a": [null] }]]])]);
}

/// A codec of the user's own, whose format has no bound on levels and describes itself.
struct Own;

impl Codec for Own {
    const ID: CodecId = CodecId::custom(200);

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        rmp_serde::encode::write(out, value).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
        deserializer.set_max_depth(usize::MAX);
        T::deserialize(&mut deserializer).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }
}

thread_local! {
    /// What stands in the place of a value.
    static PAYLOAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes what the fuzzer made.
struct Made;

impl Codec for Made {
    const ID: CodecId = Own::ID;

    fn encode<T: Serialize>(_: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        PAYLOAD.with_borrow(|payload| out.extend(payload));
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        Own::decode(bytes)
    }
}

/// Whatever a codec of the user's own reads at the key, a caller gets a value: the codec is bound by the cache alone.
macro_rules! own_targets {
    ($($name:ident: $value:ty, $seeds:expr;)*) => {$(
        mod $name {
            use super::*;

            #[redis_cached(key = "value", ttl = 600, codec = Own, cache = cache, skip(cache))]
            async fn read(cache: &Cache) -> $value {
                <$value>::default()
            }

            #[redis_cached(key = "value", ttl = 600, codec = Made, cache = cache, skip(cache))]
            async fn written(cache: &Cache) -> $value {
                <$value>::default()
            }

            #[test]
            fn in_a_codec_of_the_users_own() {
                let seeds: Vec<$value> = Vec::from($seeds);
                let encoded = |value: &$value| {
                    let mut bytes = Vec::new();
                    Own::encode(value, &mut bytes).map(|()| bytes)
                };
                let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| encoded(seed).expect("it encodes")).collect();
                on_a_small_stack(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
                    let shown = Arc::new(Shown::default());
                    let [writer, reader] = [(); 2].map(|()| built(Cache::builder().store(Shelf(Arc::clone(&shown)))));
                    fuzz(&seeds, |bytes| {
                        PAYLOAD.set(bytes.to_vec());
                        runtime.block_on(written(&writer));
                        let entry = set(&shown.stored, None).expect("it is stored, whatever it is");
                        set(&shown.entry, Some(entry));
                        runtime.block_on(read(&reader));
                    });
                });
            }
        }
    )*};
}
own_targets! {
    own_trees: Tree, trees();
    own_chains: Chain, [Chain::default(), Chain(Some(Box::default()))];
    own_wide_rows: Wide, [Wide::nested(0), Wide::nested(1), Wide::nested(4)];
    own_flattened: Flattened, [Flattened::default(), Flattened { name: None, rest: Rest { rows: vec![Row::Wide(Box::new(Wide::nested(1)))] } }];
}

//! Codecs: no bytes make one panic, or allocate much more than they are.

use std::collections::BTreeMap;

use cache_runtime::{Bincode, Codec, Json, MessagePack, Postcard};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::mutate::fuzz;

/// What a length that is claimed may cost before the first element is there: serde's bound for one sequence.
const CLAIMED: u64 = 1 << 20;

/// How deep the types here are: each level may be claimed once.
const LEVELS: u64 = 4;

/// What a byte of input may cost besides: the largest element that one byte can stand for, and room to grow.
const PER_BYTE: u64 = 256;

#[derive(Clone, Serialize, Deserialize)]
enum Plan {
    Free,
    Team { seats: u32, owner: Option<String> },
    Tuple(i64, char),
}

#[derive(Clone, Serialize, Deserialize)]
struct Account {
    id: u64,
    name: String,
    plans: Vec<Plan>,
    limits: BTreeMap<String, Vec<u64>>,
    balance: f64,
    parent: Option<Box<Account>>,
}

fn account() -> Account {
    let team = Plan::Team { seats: 3, owner: Some("ada".to_owned()) };
    let limits = BTreeMap::from([("reads".to_owned(), vec![1, 300, 70_000]), (String::new(), Vec::new())]);
    let plans = vec![Plan::Free, team, Plan::Tuple(-1, 'é')];
    let child = Account { id: u64::MAX, name: "Ada".to_owned(), plans, limits, balance: -0.5, parent: None };
    Account { parent: Some(Box::new(child.clone())), ..child }
}

fn decodes_at_a_bounded_price<C: Codec, T: Serialize + DeserializeOwned>(value: &T) {
    let mut whole = Vec::new();
    C::encode(value, &mut whole).expect("it encodes");
    fuzz(&[whole, Vec::new()], |bytes| {
        let cost = allocation_counter::measure(|| drop(C::decode::<T>(bytes)));
        let most = LEVELS * CLAIMED + PER_BYTE * bytes.len() as u64;
        assert!(cost.bytes_max <= most, "{} bytes are allocated for {}", cost.bytes_max, bytes.len());
    });
}

macro_rules! targets {
    ($($name:ident: $codec:ty;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn a_struct_of_everything() {
                decodes_at_a_bounded_price::<$codec, _>(&account());
            }

            #[test]
            fn numbers() {
                decodes_at_a_bounded_price::<$codec, _>(&vec![0_u64, 1, 1 << 40]);
            }

            #[test]
            fn texts() {
                decodes_at_a_bounded_price::<$codec, _>(&["a", "", "a longer text, for a longer length"].map(str::to_owned));
            }

            #[test]
            fn bytes_in_bytes() {
                decodes_at_a_bounded_price::<$codec, _>(&vec![vec![0_u8, 255], Vec::new()]);
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

/// Types that ask for anything: only formats that describe themselves hold them.
#[test]
fn any_json() {
    decodes_at_a_bounded_price::<Json, serde_json::Value>(&serde_json::json!({ "a": [1, null, { "b": "c" }] }));
}

#[test]
fn any_message_pack() {
    decodes_at_a_bounded_price::<MessagePack, serde_json::Value>(&serde_json::json!({ "a": [1, null, { "b": "c" }] }));
}

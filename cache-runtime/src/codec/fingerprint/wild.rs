//! Types that ask for anything, in any order, and change their mind: the tracer comes to an end with each.

use std::cell::RefCell;
use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::compute;

thread_local! {
    /// What the type does next, over and over.
    static PROGRAM: RefCell<(Vec<u8>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

fn next() -> u8 {
    PROGRAM.with_borrow_mut(|(program, at)| {
        *at += 1;
        program.get(*at % program.len().max(1)).copied().unwrap_or_default()
    })
}

struct Wild;

impl<'de> Deserialize<'de> for Wild {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match next() % 16 {
            0 => deserializer.deserialize_any(Asks),
            1 => deserializer.deserialize_option(Asks),
            2 => deserializer.deserialize_newtype_struct("N", Asks),
            3 => deserializer.deserialize_seq(Asks),
            4 => deserializer.deserialize_tuple(usize::from(next() % 4), Asks),
            5 => deserializer.deserialize_map(Asks),
            6 => deserializer.deserialize_struct("S", &["a", "b", "a"], Asks),
            7 => deserializer.deserialize_enum("E", &["x", "y"], Asks),
            8 => deserializer.deserialize_enum("Never", &[], Asks),
            9 => deserializer.deserialize_struct("Unit", &[], Asks),
            10 => deserializer.deserialize_str(Asks),
            11 => deserializer.deserialize_u8(Asks),
            12 => deserializer.deserialize_f64(Asks),
            13 => deserializer.deserialize_bytes(Asks),
            14 => Err(D::Error::custom("no")),
            _ => panic!("a type may panic too"),
        }
    }
}

struct Asks;

fn answer<E: Error>() -> Result<Wild, E> {
    if next().is_multiple_of(4) { Err(E::custom("not that one")) } else { Ok(Wild) }
}

impl<'de> Visitor<'de> for Asks {
    type Value = Wild;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Wild, E> {
        answer()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Wild, E> {
        answer()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Wild, E> {
        answer()
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Wild, E> {
        answer()
    }

    fn visit_unit<E: Error>(self) -> Result<Wild, E> {
        answer()
    }

    fn visit_none<E: Error>(self) -> Result<Wild, E> {
        answer()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Wild, D::Error> {
        Wild::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Wild, D::Error> {
        Wild::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Wild, A::Error> {
        while seq.next_element::<Wild>()?.is_some() {}
        answer()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wild, A::Error> {
        while map.next_entry::<String, Wild>()?.is_some() {}
        answer()
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Wild, A::Error> {
        let (_, variant) = data.variant::<String>()?;
        match next() % 4 {
            0 => variant.unit_variant().map(|()| Wild),
            1 => variant.newtype_variant(),
            2 => variant.tuple_variant(usize::from(next() % 3), Asks),
            _ => variant.struct_variant(&["c"], Asks),
        }
    }
}

proptest! {
    #[test]
    fn every_type_has_a_fingerprint_whatever_it_asks_for(program in prop::collection::vec(0_u8..15, 1..24)) {
        PROGRAM.set((program, 0));
        let _ = compute::<Wild>();
    }
}

/// A type of which there is no value.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only its shape is used")]
struct Endless(Box<Endless>);

#[test]
fn a_made_up_value_that_wraps_itself_without_end_has_one() {
    // For the second element the first is made up.
    let _ = compute::<(Endless, u8)>();
}

#[test]
fn a_type_that_wraps_itself_without_end_has_a_fingerprint() {
    for program in
        [vec![2], vec![1], vec![3], vec![4, 1], vec![4, 2, 2], vec![5, 2], vec![6], vec![7, 10, 1], vec![3, 2]]
    {
        PROGRAM.set((program, 0));
        let _ = compute::<Wild>();
    }
}

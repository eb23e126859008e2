//! A fingerprint of the shape of a type: a hash of the calls that it makes of its deserializer.
//!
//! bincode and postcard decode the bytes of yesterday's struct into today's without a complaint when two fields changed
//! places. The fingerprint in the header makes that a miss. It is taken from what a type asks for, so it sees through
//! `rename`, `skip`, `with` and hand-written implementations, and it does not depend on the compiler or the crate.
//!
//! A type cannot be asked for its shape, only be driven along one path at a time: a struct is offered one field, an
//! enum one variant, and the next pass offers the next one, until passes show nothing new. A path ends where the type
//! refuses the made-up value it is given; what it asked for until then counts. Names of types are left out: renaming
//! one changes no bytes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{PoisonError, RwLock};

use once_cell::sync::Lazy;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

/// Passes without anything new after which the shape is taken as known.
const QUIET_PASSES: usize = 64;

/// Passes at the most, for types that are a maze.
const MAX_PASSES: usize = 4096;

/// Levels at the most: recursive types have no bottom.
const MAX_DEPTH: usize = 24;

/// The fingerprint of `T`, computed once per type and process.
///
/// Known by the address of the function that computes it: a type need not be `'static` to have one, and two types whose
/// functions a linker merged have the same fingerprint.
pub(crate) fn fingerprint<T: DeserializeOwned>() -> u32 {
    static KNOWN: Lazy<RwLock<HashMap<usize, u32>>> = Lazy::new(RwLock::default);
    let address = compute::<T> as fn() -> u32 as usize;
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&address) {
        return *known;
    }
    let computed = compute::<T>();
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(address, computed);
    computed
}

fn compute<T: DeserializeOwned>() -> u32 {
    // Some types have one shape for formats that people read and another for the rest.
    let shapes = [explore::<T>(false), explore::<T>(true)];
    shapes.iter().flatten().fold(FNV_OFFSET, |hash, path| fnv(hash, path))
}

/// All paths through `T`, in an order that does not depend on the order of the passes.
fn explore<T: DeserializeOwned>(human_readable: bool) -> BTreeSet<Vec<u8>> {
    let mut paths = BTreeSet::new();
    let mut map = Map { human_readable, ..Map::default() };
    let mut quiet = 0;
    for _ in 0..MAX_PASSES {
        // The value itself, or the refusal, tells nothing that the path does not.
        let _ = T::deserialize(Tracer { map: &mut map, depth: 0 });
        quiet = if paths.insert(std::mem::take(&mut map.path)) { 0 } else { quiet + 1 };
        if quiet == QUIET_PASSES {
            break;
        }
    }
    paths
}

const FNV_OFFSET: u32 = 0x811C_9DC5;

/// FNV-1a, 32 bits: stable by definition, which the standard library's hashers are not.
fn fnv(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// What one pass leaves for the next.
#[derive(Default)]
struct Map {
    human_readable: bool,
    /// The calls of this pass.
    path: Vec<u8>,
    /// How often a struct or enum with these names was met: the next one it is offered.
    offered: HashMap<&'static [&'static str], usize>,
}

impl Map {
    fn call(&mut self, call: &str) {
        self.path.extend_from_slice(call.as_bytes());
        self.path.push(0);
    }

    fn names(&mut self, call: &str, names: &'static [&'static str]) {
        self.call(call);
        names.iter().for_each(|name| self.call(name));
        self.path.push(0);
    }

    /// The field or variant to offer this time.
    fn choose(&mut self, names: &'static [&'static str]) -> Option<&'static str> {
        let met = self.offered.entry(names).or_default();
        *met += 1;
        names.get((*met - 1).checked_rem(names.len())?).copied()
    }
}

/// The end of a path.
#[derive(Debug)]
struct End;

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the traced path ends here")
    }
}

impl std::error::Error for End {}

impl de::Error for End {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The deserializer that a type is traced with.
struct Tracer<'m> {
    map: &'m mut Map,
    depth: usize,
}

impl Tracer<'_> {
    fn deeper(&mut self) -> Result<Tracer<'_>, End> {
        if self.depth == MAX_DEPTH {
            return Err(End);
        }
        Ok(Tracer { map: self.map, depth: self.depth + 1 })
    }
}

/// Scalars: the call is noted and answered with a value that most types accept.
macro_rules! scalars {
    ($($method:ident => $visit:ident($($value:expr)?)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, End> {
            self.map.call(stringify!($method));
            visitor.$visit($($value)?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Tracer<'_> {
    type Error = End;

    scalars! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(1),
        deserialize_i16 => visit_i16(1),
        deserialize_i32 => visit_i32(1),
        deserialize_i64 => visit_i64(1),
        deserialize_i128 => visit_i128(1),
        deserialize_u8 => visit_u8(1),
        deserialize_u16 => visit_u16(1),
        deserialize_u32 => visit_u32(1),
        deserialize_u64 => visit_u64(1),
        deserialize_u128 => visit_u128(1),
        deserialize_f32 => visit_f32(1.0),
        deserialize_f64 => visit_f64(1.0),
        deserialize_char => visit_char('a'),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
        deserialize_bytes => visit_bytes(&[]),
        deserialize_byte_buf => visit_bytes(&[]),
        deserialize_unit => visit_unit(),
        deserialize_identifier => visit_str(""),
        deserialize_any => visit_unit(),
        deserialize_ignored_any => visit_unit(),
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, End> {
        self.map.call("option");
        match self.deeper() {
            Ok(inner) => visitor.visit_some(inner),
            Err(End) => visitor.visit_none(),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, End> {
        self.map.call("unit");
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(mut self, _: &'static str, visitor: V) -> Result<V::Value, End> {
        self.map.call("newtype");
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, End> {
        self.map.call("seq");
        visitor.visit_seq(Elements { tracer: self.deeper()?, left: 1 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, End> {
        self.map.call("tuple");
        self.map.call(&len.to_string());
        visitor.visit_seq(Elements { tracer: self.deeper()?, left: len })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, End> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, End> {
        self.map.call("map");
        visitor.visit_map(Entries { tracer: self.deeper()?, left: 1 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, End> {
        self.map.names("struct", fields);
        let field = self.map.choose(fields);
        visitor.visit_map(Field { tracer: self.deeper()?, field })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, End> {
        self.map.names("enum", variants);
        let variant = self.map.choose(variants).ok_or(End)?;
        self.map.call(variant);
        visitor.visit_enum(Variant { tracer: self.deeper()?, variant })
    }

    fn is_human_readable(&self) -> bool {
        self.map.human_readable
    }
}

/// The elements of a sequence or tuple.
struct Elements<'m> {
    tracer: Tracer<'m>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'_> {
    type Error = End;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, End> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.tracer.deeper()?).map(Some)
    }
}

/// The entries of a map: its keys and values are of any type.
struct Entries<'m> {
    tracer: Tracer<'m>,
    left: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = End;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, End> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.tracer.deeper()?).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, End> {
        seed.deserialize(self.tracer.deeper()?)
    }
}

/// A struct with the one field that this pass offers.
struct Field<'m> {
    tracer: Tracer<'m>,
    field: Option<&'static str>,
}

impl<'de> de::MapAccess<'de> for Field<'_> {
    type Error = End;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, End> {
        let Some(field) = self.field.take() else { return Ok(None) };
        self.tracer.map.call(field);
        seed.deserialize(field.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, End> {
        seed.deserialize(self.tracer.deeper()?)
    }
}

/// The variant that this pass offers.
struct Variant<'m> {
    tracer: Tracer<'m>,
    variant: &'static str,
}

impl<'de, 'm> de::EnumAccess<'de> for Variant<'m> {
    type Error = End;
    type Variant = Tracer<'m>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Tracer<'m>), End> {
        Ok((seed.deserialize(self.variant.into_deserializer())?, self.tracer))
    }
}

impl<'de> de::VariantAccess<'de> for Tracer<'_> {
    type Error = End;

    fn unit_variant(self) -> Result<(), End> {
        self.map.call("unit variant");
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, End> {
        self.map.call("newtype variant");
        seed.deserialize(self.deeper()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, End> {
        self.map.call("tuple variant");
        de::Deserializer::deserialize_tuple(self, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, End> {
        self.map.call("struct variant");
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    /// Two definitions of the same name, as two releases of a program have them, must differ in their fingerprint.
    macro_rules! differ {
        ($what:literal: {$($old:tt)*} {$($new:tt)*}) => {{
            #[allow(dead_code, reason = "only its shape is used")]
            mod old { use super::*; #[derive(Deserialize)] $($old)* }
            #[allow(dead_code, reason = "only its shape is used")]
            mod new { use super::*; #[derive(Deserialize)] $($new)* }
            assert_ne!(compute::<old::T>(), compute::<new::T>(), $what);
        }};
    }

    #[test]
    fn a_changed_shape_is_another_fingerprint() {
        differ!("reordered": {pub struct T { a: u32, b: u32 }} {pub struct T { b: u32, a: u32 }});
        differ!("renamed": {pub struct T { a: u32 }} {pub struct T { b: u32 }});
        differ!("retyped": {pub struct T { a: u32, b: u32 }} {pub struct T { a: u32, b: i32 }});
        differ!("added": {pub struct T { a: u32 }} {pub struct T { a: u32, b: Option<u32> }});
        differ!("made optional": {pub struct T { a: u32 }} {pub struct T { a: Option<u32> }});
        differ!("variants reordered": {pub enum T { A, B }} {pub enum T { B, A }});
        differ!("variant added": {pub enum T { A }} {pub enum T { A, B }});
        differ!("variant retyped": {pub enum T { A, B(u8), C { x: u8 } }} {pub enum T { A, B(u8), C { x: u16 } }});
        differ!("nested in a list in a map": {pub struct T { a: BTreeMap<String, Vec<(u8, u8)>> }}
                                             {pub struct T { a: BTreeMap<String, Vec<(u8, i8)>> }});
    }

    #[test]
    fn a_field_behind_one_that_refuses_every_made_up_value_still_counts() {
        differ!("behind an address": {pub struct T { a: std::net::IpAddr, b: u8 }}
                                     {pub struct T { a: std::net::IpAddr, b: i8 }});
    }

    #[test]
    fn every_variant_of_a_nested_enum_counts() {
        #[allow(dead_code, reason = "only its shape is used")]
        #[derive(Deserialize)]
        enum Inner<L> {
            A(u8),
            B(u8),
            C(u8),
            D(L),
        }
        #[allow(dead_code, reason = "only its shape is used")]
        #[derive(Deserialize)]
        enum Outer<L> {
            X,
            Y,
            Z { inner: Vec<Inner<L>>, other: u8 },
        }
        assert_ne!(compute::<Outer<u8>>(), compute::<Outer<u16>>());
    }

    #[test]
    fn names_of_types_do_not_count_and_recursion_ends() {
        #[allow(dead_code, reason = "only its shape is used")]
        #[derive(Deserialize)]
        struct Leaf {
            next: Option<Box<Leaf>>,
        }
        #[allow(dead_code, reason = "only its shape is used")]
        #[derive(Deserialize)]
        struct Tree {
            next: Option<Box<Tree>>,
        }
        assert_eq!(compute::<Leaf>(), compute::<Tree>());
        assert_eq!(fingerprint::<Leaf>(), fingerprint::<Tree>());
    }

    #[test]
    fn golden_fingerprints() {
        // A change here makes every deployed entry a miss: it needs a word in the changelog.
        #[allow(dead_code, reason = "only its shape is used")]
        #[derive(Deserialize)]
        struct User {
            id: u64,
            name: String,
        }
        assert_eq!(compute::<u64>(), 0);
        assert_eq!(compute::<User>(), 0);
    }
}

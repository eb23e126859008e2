//! The deserializer that a type is driven with along one path.

use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::Map;

/// Levels at the most: recursive types have no bottom.
const MAX_DEPTH: usize = 24;

/// The end of a path.
#[derive(Debug)]
pub(super) struct End;

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

/// Notes the calls that a type makes, and answers them.
pub(super) struct Tracer<'m> {
    map: &'m mut Map,
    depth: usize,
}

impl<'m> Tracer<'m> {
    pub(super) fn new(map: &'m mut Map) -> Self {
        Self { map, depth: 0 }
    }

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
        let Some(field) = self.field.take() else {
            return Ok(None);
        };
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

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, End> {
        self.map.call("struct variant");
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}

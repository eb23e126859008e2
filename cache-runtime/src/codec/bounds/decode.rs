//! A deserializer around a format's: types see the format through it, and the meter sees what types call for.
//!
//! Every level passes through [`Watched`], the visitor that a format hands lists, maps, enums, options and newtypes to.
//! Everything else is passed on as it is, including what some formats take a meaning from, such as names.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::parts::Parts;
use super::{BUFFERED_LEVELS, EXPECTED, Meter, Metered};

/// A value that a codec of the user's own decodes, which takes a type and no seed.
#[derive(Debug)]
pub(in crate::codec) struct Bounded<T> {
    value: T,
    meter: Meter,
}

impl<T> Bounded<T> {
    /// The value; what it cost goes to this meter.
    pub(in crate::codec) fn into_value(self, meter: &Meter) -> T {
        meter.adopt(&self.meter);
        self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let meter = Meter::new(EXPECTED);
        let value = Metered::new(PhantomData, &meter).deserialize(deserializer)?;
        Ok(Self { value, meter })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Metered<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Metered::new(deserializer, self.meter))
    }
}

/// Methods for what is no level and takes bytes.
macro_rules! scalars {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.meter.pay();
            self.inner.$method(visitor)
        }
    )*};
}

/// Methods for levels that take bytes, with as many parts as the bytes say.
macro_rules! levels {
    ($($method:ident: $levels:expr;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = Watched { visitor, meter: self.meter, levels: $levels, is_counted: true };
            let value = self.inner.$method(visitor);
            self.meter.pay();
            value
        }
    )*};
}

/// Methods for levels that take no bytes, with as many parts as the type says.
macro_rules! fixed_levels {
    ($($method:ident($($argument:ident: $of:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $of,)* visitor: V) -> Result<V::Value, Self::Error> {
            self.inner.$method($($argument,)* Watched { visitor, meter: self.meter, levels: 1, is_counted: false })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Metered<'_, D> {
    type Error = D::Error;

    scalars! {
        deserialize_bool deserialize_char deserialize_f32 deserialize_f64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_identifier
    }

    levels! {
        deserialize_seq: 1;
        deserialize_map: 1;
        deserialize_option: 1;
        deserialize_ignored_any: 1;
        deserialize_any: BUFFERED_LEVELS;
        // Formats that describe themselves also answer these with whatever is there.
        deserialize_str: 1;
        deserialize_string: 1;
        deserialize_bytes: 1;
        deserialize_byte_buf: 1;
    }

    fixed_levels! {
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.meter.pay();
        let visitor = Watched { visitor, meter: self.meter, levels: 1, is_counted: false };
        self.inner.deserialize_enum(name, variants, visitor)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The visitor of a level.
struct Watched<'m, V> {
    visitor: V,
    meter: &'m Meter,
    /// What it counts as.
    levels: u32,
    /// Whether the bytes say how many parts it has.
    is_counted: bool,
}

impl<V> Watched<'_, V> {
    /// Visits within the level.
    #[inline]
    fn within<T, E: Error>(self, visit: impl FnOnce(V) -> Result<T, E>) -> Result<T, E> {
        self.meter.enter(self.levels).map_err(E::custom)?;
        let value = visit(self.visitor);
        self.meter.leave(self.levels);
        value
    }
}

/// Visits of what is no level.
macro_rules! scalar_visits {
    ($($method:ident: $value:ty;)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $value) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    scalar_visits! {
        visit_bool: bool;
        visit_i8: i8;
        visit_i16: i16;
        visit_i32: i32;
        visit_i64: i64;
        visit_i128: i128;
        visit_u8: u8;
        visit_u16: u16;
        visit_u32: u32;
        visit_u64: u64;
        visit_u128: u128;
        visit_f32: f32;
        visit_f64: f64;
        visit_char: char;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = Metered::new(deserializer, self.meter);
        self.within(|visitor| visitor.visit_some(deserializer))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = Metered::new(deserializer, self.meter);
        self.within(|visitor| visitor.visit_newtype_struct(deserializer))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let mut parts = Parts::new(access, self.meter, self.is_counted);
        self.within(|visitor| {
            let value = visitor.visit_seq(&mut parts);
            if value.is_ok() {
                parts.end()?;
            }
            value
        })
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let mut parts = Parts::new(access, self.meter, self.is_counted);
        self.within(|visitor| {
            let value = visitor.visit_map(&mut parts);
            if value.is_ok() {
                parts.end()?;
            }
            value
        })
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = Metered::new(access, self.meter);
        self.within(|visitor| visitor.visit_enum(access))
    }
}

impl<'de, 'm, A: EnumAccess<'de>> EnumAccess<'de> for Metered<'m, A> {
    type Error = A::Error;
    type Variant = Metered<'m, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, access) = self.inner.variant_seed(Metered::new(seed, self.meter))?;
        Ok((value, Metered::new(access, self.meter)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Metered<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Metered::new(seed, self.meter))
    }

    // The enum was a level before them: formats nest these twice.
    fixed_levels! {
        tuple_variant(len: usize);
        struct_variant(fields: &'static [&'static str]);
    }
}

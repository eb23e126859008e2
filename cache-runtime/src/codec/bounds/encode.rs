//! A serializer around a format's: the format sees values through it, and the meter sees what values consist of.

use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Meter, Metered};

impl<T: Serialize + ?Sized> Serialize for Metered<'_, &T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(Metered::new(serializer, self.meter))
    }
}

/// Methods for what is no level and takes bytes.
macro_rules! scalars {
    ($($method:ident($($argument:ident: $of:ty),*);)*) => {$(
        #[inline]
        fn $method(self, $($argument: $of),*) -> Result<S::Ok, S::Error> {
            self.meter.pay();
            self.inner.$method($($argument),*)
        }
    )*};
}

/// Methods for levels with one part, which take bytes of their own or not.
macro_rules! wrappers {
    ($($method:ident($($argument:ident: $of:ty),*), $takes_bytes:literal;)*) => {$(
        #[inline]
        fn $method<T: Serialize + ?Sized>(self, $($argument: $of,)* value: &T) -> Result<S::Ok, S::Error> {
            let Self { inner, meter } = self;
            meter.enter(1).map_err(S::Error::custom)?;
            let done = inner.$method($($argument,)* &Metered::new(value, meter));
            meter.leave(1);
            if $takes_bytes {
                meter.pay();
            }
            done
        }
    )*};
}

/// Methods for levels with many parts.
macro_rules! levels {
    ($($method:ident($($argument:ident: $of:ty),*) -> $parts:ident, $levels:literal;)*) => {$(
        #[inline]
        fn $method(self, $($argument: $of),*) -> Result<Self::$parts, S::Error> {
            let Self { inner, meter } = self;
            meter.enter($levels).map_err(S::Error::custom)?;
            inner.$method($($argument),*).map(|inner| Parts { inner, meter, levels: $levels })
        }
    )*};
}

impl<'m, S: Serializer> Serializer for Metered<'m, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'m, S::SerializeSeq>;
    type SerializeTuple = Parts<'m, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'m, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'m, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'m, S::SerializeMap>;
    type SerializeStruct = Parts<'m, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'m, S::SerializeStructVariant>;

    scalars! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    wrappers! {
        serialize_some(), true;
        serialize_newtype_struct(name: &'static str), false;
        serialize_newtype_variant(name: &'static str, index: u32, variant: &'static str), true;
    }

    levels! {
        serialize_seq(len: Option<usize>) -> SerializeSeq, 1;
        serialize_tuple(len: usize) -> SerializeTuple, 1;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct, 1;
        serialize_map(len: Option<usize>) -> SerializeMap, 1;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct, 1;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant, 2;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant, 2;
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_struct(name)
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.meter.pay();
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The parts of a level.
pub(in crate::codec) struct Parts<'m, P> {
    inner: P,
    meter: &'m Meter,
    levels: u32,
}

/// Parts of which there are as many as the type says: each has the type that stands beside it, and a method.
macro_rules! fixed_parts {
    ($($parts:ident: $method:ident($($key:ident: $of:ty)?), $takes_bytes:literal $(, $skip:ident)?;)*) => {$(
        impl<P: $parts> $parts for Parts<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: $of,)? value: &T) -> Result<(), P::Error> {
                self.inner.$method($($key,)? &Metered::new(value, self.meter))
            }

            $(
                #[inline]
                fn $skip(&mut self, key: &'static str) -> Result<(), P::Error> {
                    self.inner.$skip(key)
                }
            )?

            #[inline]
            fn end(self) -> Result<P::Ok, P::Error> {
                self.meter.leave(self.levels);
                if $takes_bytes {
                    self.meter.pay();
                }
                self.inner.end()
            }
        }
    )*};
}
fixed_parts! {
    SerializeTuple: serialize_element(), false;
    SerializeTupleStruct: serialize_field(), false;
    SerializeTupleVariant: serialize_field(), true;
    SerializeStruct: serialize_field(key: &'static str), false, skip_field;
    SerializeStructVariant: serialize_field(key: &'static str), true, skip_field;
}

impl<P: SerializeSeq> SerializeSeq for Parts<'_, P> {
    type Ok = P::Ok;
    type Error = P::Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        self.meter.begin();
        self.inner.serialize_element(&Metered::new(value, self.meter))?;
        self.meter.count(1).map_err(P::Error::custom)
    }

    #[inline]
    fn end(self) -> Result<P::Ok, P::Error> {
        self.meter.leave(self.levels);
        self.meter.pay();
        self.inner.end()
    }
}

impl<P: SerializeMap> SerializeMap for Parts<'_, P> {
    type Ok = P::Ok;
    type Error = P::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P::Error> {
        self.meter.begin();
        self.inner.serialize_key(&Metered::new(key, self.meter))?;
        self.meter.count(1).map_err(P::Error::custom)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        self.inner.serialize_value(&Metered::new(value, self.meter))
    }

    #[inline]
    fn serialize_entry<K, V>(&mut self, key: &K, value: &V) -> Result<(), P::Error>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        self.meter.begin();
        self.inner.serialize_entry(&Metered::new(key, self.meter), &Metered::new(value, self.meter))?;
        self.meter.count(1).map_err(P::Error::custom)
    }

    #[inline]
    fn end(self) -> Result<P::Ok, P::Error> {
        self.meter.leave(self.levels);
        self.meter.pay();
        self.inner.end()
    }
}

//! The types that can stand in a key as they are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, NonZeroUsize,
};
use std::rc::Rc;
use std::sync::Arc;

use super::{KeyPart, KeyWriter};

impl KeyPart for str {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self);
    }
}

impl KeyPart for String {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self);
    }
}

impl KeyPart for char {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self.encode_utf8(&mut [0; 4]));
    }
}

impl KeyPart for bool {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(if *self { "true" } else { "false" });
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl KeyPart for $integer {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                key.out.push_str(itoa::Buffer::new().format(*self));
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! non_zero_integers {
    ($($integer:ty),*) => {$(
        impl KeyPart for $integer {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                self.get().write_key(key);
            }
        }
    )*};
}
non_zero_integers!(NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize);
non_zero_integers!(NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize);

macro_rules! pointers {
    ($($(#[$meta:meta])? $pointer:ty),*) => {$(
        impl<P: KeyPart + ?Sized> KeyPart for $pointer {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                (**self).write_key(key);
            }
        }
    )*};
}
pointers!(&P, &mut P, Box<P>, Rc<P>, Arc<P>);

impl<P: KeyPart + ToOwned + ?Sized> KeyPart for Cow<'_, P> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        (**self).write_key(key);
    }
}

/// `None` is `!`. `Some` is its value, behind one more `!` where the value itself begins with one, so that
/// `None`, `Some(None)` and `Some("")` differ.
impl<P: KeyPart> KeyPart for Option<P> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        let Some(value) = self else { return key.raw('!') };
        let start = key.out.len();
        key.part(value);
        if key.out[start..].starts_with('!') {
            key.out.insert(start, '!');
        }
    }
}

/// Every element ends in `,`: an empty slice and a slice of one empty text differ.
impl<P: KeyPart> KeyPart for [P] {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        list(self, key);
    }
}

fn list(elements: impl IntoIterator<Item: KeyPart>, key: &mut KeyWriter<'_>) {
    key.raw('[');
    for element in elements {
        key.part(&element);
        key.raw(',');
    }
    key.raw(']');
}

impl<P: KeyPart> KeyPart for Vec<P> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        self.as_slice().write_key(key);
    }
}

impl<P: KeyPart, const N: usize> KeyPart for [P; N] {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        self.as_slice().write_key(key);
    }
}

/// As a slice of its elements, which are in order.
impl<P: KeyPart> KeyPart for BTreeSet<P> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        list(self, key);
    }
}

/// As a slice of pairs, which are in the order of their keys.
impl<K: KeyPart, V: KeyPart> KeyPart for BTreeMap<K, V> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        list(self, key);
    }
}

/// An order of the elements of `M`, whose text would otherwise differ among equal values.
///
/// There is none for maps and sets by hash: nothing implements this. It stands in the bounds of these types for the message
/// that it makes, and has the type as a parameter since rustc words a bound on the type itself as one of [`KeyPart`].
#[diagnostic::on_unimplemented(
    message = "`{M}` cannot stand in a cache key, since it has no order",
    label = "equal values of this type may be written in different orders",
    note = "collect it into a `Vec` and sort that, or take a `BTreeMap` or a `BTreeSet`",
    note = "a parameter that does not select the value goes into `skip(...)`"
)]
pub trait Orders<M> {}

/// The order that is asked for.
#[derive(Debug)]
pub struct Order;

impl<K, V, S> KeyPart for HashMap<K, V, S>
where
    Order: Orders<Self>,
{
    fn write_key(&self, _: &mut KeyWriter<'_>) {}
}

impl<P, S> KeyPart for HashSet<P, S>
where
    Order: Orders<Self>,
{
    fn write_key(&self, _: &mut KeyWriter<'_>) {}
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),+))*) => {$(
        impl<$($name: KeyPart),+> KeyPart for ($($name,)+) {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                key.parts(&[$(&self.$index),+]);
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

/// Types whose text, as they print themselves, tells their values apart.
macro_rules! printed {
    ($($(#[$feature:meta])? $printed:ty),* $(,)?) => {$(
        $(#[$feature])?
        impl KeyPart for $printed {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                key.display(self);
            }
        }
    )*};
}
printed! {
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6,
    #[cfg(feature = "uuid")] uuid::Uuid,
    #[cfg(feature = "chrono")] chrono::NaiveDate,
    #[cfg(feature = "chrono")] chrono::NaiveTime,
    #[cfg(feature = "chrono")] chrono::NaiveDateTime,
    #[cfg(feature = "chrono")] chrono::Weekday,
    #[cfg(feature = "time")] time::Date,
    #[cfg(feature = "time")] time::Time,
    #[cfg(feature = "time")] time::PrimitiveDateTime,
    #[cfg(feature = "time")] time::OffsetDateTime,
    #[cfg(feature = "time")] time::Weekday,
    #[cfg(feature = "time")] time::Month,
}

/// The same instant in two offsets is two keys: what a function makes of it may differ.
#[cfg(feature = "chrono")]
impl<Z: chrono::TimeZone<Offset: std::fmt::Display>> KeyPart for chrono::DateTime<Z> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.display(self.format("%Y-%m-%dT%H:%M:%S%.f%:z"));
    }
}

/// The unit is the empty text.
impl KeyPart for () {
    fn write_key(&self, _: &mut KeyWriter<'_>) {}
}

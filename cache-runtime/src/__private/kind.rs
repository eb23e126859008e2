//! Tells the kinds of functions apart by type, never by how the return type is written: aliases work.
//!
//! `kind_of(&body).kind()` looks for the method at each level of `Deref` in turn, and takes the first that fits the
//! output of the body: `Result<Option<T>, E>` and `Result<T, E>` with an error that can be cloned, then
//! `Result<Option<T>, E>` or `Option<T>`, then `Result<T, E>`, then anything. Then `compared()` does the same for values
//! that can be compared, and all others.

#![expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the methods are found through `Deref`, on a value")]

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

#[cfg(debug_assertions)]
use crate::engine::Comparable;
use crate::engine::{
    FailClosed, Fallible, FallibleOptional, Found, Incomparable, Kind, MadeOf, Optional, Plain, Sharing, TimesOut,
};

/// The kind of the function whose body this is.
#[must_use]
pub fn kind_of<B: Future>(_body: &Pin<&mut B>) -> OfSharedOptional<B::Output> {
    OfSharedOptional::new()
}

/// The kind of the function whose body this makes.
#[must_use]
pub fn kind_of_load<F: FnOnce() -> B, B: Future>(_load: &F) -> OfSharedOptional<B::Output> {
    OfSharedOptional::new()
}

/// Functions that return an option in a result whose error can be cloned.
#[derive(Debug)]
pub struct OfSharedOptional<R>(OfShared<R>);

/// Functions that return a result whose error can be cloned.
#[derive(Debug)]
pub struct OfShared<R>(OfOptional<R>);

/// Functions that return an option, maybe in a result.
#[derive(Debug)]
pub struct OfOptional<R>(OfResult<R>);

/// Functions that return a result.
#[derive(Debug)]
pub struct OfResult<R>(OfValue<R>);

/// All functions.
#[derive(Debug)]
pub struct OfValue<R>(PhantomData<fn() -> R>);

impl<R> OfSharedOptional<R> {
    fn new() -> Self {
        Self(OfShared(OfOptional(OfResult(OfValue(PhantomData)))))
    }

    /// Without those that share their error: one that borrows cannot be shared, and bounds do not tell which does.
    #[must_use]
    pub fn unshared(&self) -> &OfOptional<R> {
        &self.0.0
    }
}

impl<T, E: Clone + Send + Sync + 'static> OfSharedOptional<Result<Option<T>, E>> {
    /// The kind, found.
    #[must_use]
    pub fn kind(&self) -> OfComparable<Sharing<FallibleOptional<T, E>>> {
        OfComparable::new()
    }
}

impl<T, E: Clone + Send + Sync + 'static> OfShared<Result<T, E>> {
    /// The kind, found.
    #[must_use]
    pub fn kind(&self) -> OfComparable<Sharing<Fallible<T, E>>> {
        OfComparable::new()
    }
}

macro_rules! kinds {
    ($(<$($generic:ident),*> $level:ident<$returned:ty> => $kind:ty;)*) => {$(
        impl<T $(, $generic)*> $level<$returned> {
            /// The kind, found.
            #[must_use]
            pub fn kind(&self) -> OfComparable<$kind> {
                OfComparable::new()
            }
        }
    )*};
}
kinds! {
    <E> OfOptional<Result<Option<T>, E>> => FallibleOptional<T, E>;
    <> OfOptional<Option<T>> => Optional<T>;
    <E> OfResult<Result<T, E>> => Fallible<T, E>;
    <> OfValue<T> => Plain<T>;
}

macro_rules! levels {
    ($($level:ident => $next:ident;)*) => {$(
        impl<R> Deref for $level<R> {
            type Target = $next<R>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    )*};
}
levels! {
    OfSharedOptional => OfShared;
    OfShared => OfOptional;
    OfOptional => OfResult;
    OfResult => OfValue;
    OfComparable => OfAny;
}

/// Kinds whose values can be compared.
#[derive(Debug)]
pub struct OfComparable<K>(OfAny<K>);

/// All kinds.
#[derive(Debug)]
pub struct OfAny<K>(PhantomData<K>);

impl<K> OfComparable<K> {
    fn new() -> Self {
        Self(OfAny(PhantomData))
    }
}

/// A release build does not follow values, so every kind is like another there.
#[cfg(debug_assertions)]
impl<K: Kind<Value: PartialEq>> OfComparable<K> {
    /// The kind, and that its values can be compared.
    #[must_use]
    pub fn compared(&self) -> Found<K, Comparable> {
        PhantomData
    }
}

impl<K> OfAny<K> {
    /// The kind, and nothing more.
    #[must_use]
    pub fn compared(&self) -> Found<K, Incomparable> {
        PhantomData
    }
}

/// What a caller of this kind gets whose time is up: the cache's error, as its own.
#[must_use]
pub fn timed_out<K: TimesOut, Q>(_: Found<K, Q>) -> MadeOf<K> {
    Some(K::fail)
}

/// What a caller of this kind gets whose time is up and for whom there is no old value: `late_of(kind).late()`.
#[must_use]
pub fn late_of<K: Kind, Q>(_: Found<K, Q>) -> LateError<K> {
    LateError(LateNever(PhantomData))
}

/// Kinds whose error can be made of the cache's.
#[derive(Debug)]
pub struct LateError<K>(LateNever<K>);

/// All kinds.
#[derive(Debug)]
pub struct LateNever<K>(PhantomData<K>);

impl<K: FailClosed> LateError<K> {
    /// The cache's error.
    #[must_use]
    pub fn late(&self) -> MadeOf<K> {
        Some(K::fail)
    }
}

impl<K: Kind> LateNever<K> {
    /// Nothing: the caller waits on.
    #[must_use]
    pub fn late(&self) -> MadeOf<K> {
        None
    }
}

impl<K> Deref for LateError<K> {
    type Target = LateNever<K>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

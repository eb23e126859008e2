//! Tells the kinds of functions apart by type, never by how the return type is written: aliases work.
//!
//! `kind_of(&body).kind()` looks for the method at each level of `Deref` in turn, and takes the first that fits the
//! output of the body: `Result<Option<T>, E>` or `Option<T>`, then `Result<T, E>`, then anything.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use crate::engine::{Fallible, FallibleOptional, Optional, Plain};

/// The kind of the function whose body this is.
#[must_use]
pub fn kind_of<B: Future>(_body: &Pin<&mut B>) -> OfOptional<B::Output> {
    OfOptional(OfResult(OfValue(PhantomData)))
}

/// Functions that return an option, maybe in a result.
#[derive(Debug)]
pub struct OfOptional<R>(OfResult<R>);

/// Functions that return a result.
#[derive(Debug)]
pub struct OfResult<R>(OfValue<R>);

/// All functions.
#[derive(Debug)]
pub struct OfValue<R>(PhantomData<fn() -> R>);

macro_rules! kinds {
    ($(<$($generic:ident),*> $level:ident<$returned:ty> => $kind:ty;)*) => {$(
        impl<T $(, $generic)*> $level<$returned> {
            /// The kind, found.
            #[must_use]
            pub fn kind(&self) -> PhantomData<$kind> {
                PhantomData
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

impl<R> Deref for OfOptional<R> {
    type Target = OfResult<R>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<R> Deref for OfResult<R> {
    type Target = OfValue<R>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

//! What a cached function returns: which part of it is the value, and what is not stored.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// What came out of a function, by reference.
#[derive(Debug)]
pub enum Loaded<V> {
    /// A value to store.
    Value(V),
    /// `None` (or `Ok(None)`): not stored.
    None,
    /// `Err`: not stored.
    Failed,
}

/// A value that can be cached.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached: it is not both `Serialize` and `DeserializeOwned`",
    label = "this value has to be written and read back",
    note = "derive both where the type is, and where each type in it is: `#[derive(serde::Serialize, serde::Deserialize)]`; \
            a type of another crate may have them behind a feature `serde`",
    note = "a type parameter `T` needs them as bounds: `T: serde::Serialize + serde::de::DeserializeOwned`",
    note = "what borrows cannot be read back: return a `String` for a `&str`, a `Vec<T>` for a `&[T]`"
)]
pub trait Value: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Value for T {}

/// How a function's output holds its value.
pub trait Kind {
    /// What the function returns.
    type Output;
    /// What is stored.
    type Value: Value;

    /// Finds the value in an output.
    fn loaded(output: &Self::Output) -> Loaded<&Self::Value>;

    /// Makes the output of a value that was stored.
    fn hit(value: Self::Value) -> Self::Output;

    /// The output without a value, where there is one.
    #[must_use]
    fn none() -> Option<Self::Output> {
        None
    }
}

/// A kind whose output can carry the cache's error: what `fail_open = false` needs.
#[diagnostic::on_unimplemented(
    message = "`fail_open = false` needs a function that returns `Result<_, E>` with `E: From<cache_runtime::Error>`",
    note = "implement `From<cache_runtime::Error>` for the error type, or leave `fail_open` out: the function then runs without the cache"
)]
pub trait FailClosed: Kind {
    /// The output for a cache that failed.
    fn fail(error: Error) -> Self::Output;
}

/// A function that returns a plain value.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<T>);

/// A function that returns an `Option`.
#[derive(Debug)]
pub struct Optional<T>(PhantomData<T>);

/// A function that returns a `Result`.
#[derive(Debug)]
pub struct Fallible<T, E>(PhantomData<(T, E)>);

/// A function that returns a `Result` of an `Option`.
#[derive(Debug)]
pub struct FallibleOptional<T, E>(PhantomData<(T, E)>);

impl<T: Value> Kind for Plain<T> {
    type Output = T;
    type Value = T;

    fn loaded(output: &T) -> Loaded<&T> {
        Loaded::Value(output)
    }

    fn hit(value: T) -> T {
        value
    }
}

impl<T: Value> Kind for Optional<T> {
    type Output = Option<T>;
    type Value = T;

    fn loaded(output: &Option<T>) -> Loaded<&T> {
        output.as_ref().map_or(Loaded::None, Loaded::Value)
    }

    fn hit(value: T) -> Option<T> {
        Some(value)
    }

    fn none() -> Option<Option<T>> {
        Some(None)
    }
}

impl<T: Value, E> Kind for Fallible<T, E> {
    type Output = Result<T, E>;
    type Value = T;

    fn loaded(output: &Result<T, E>) -> Loaded<&T> {
        output.as_ref().map_or(Loaded::Failed, Loaded::Value)
    }

    fn hit(value: T) -> Result<T, E> {
        Ok(value)
    }
}

impl<T: Value, E> Kind for FallibleOptional<T, E> {
    type Output = Result<Option<T>, E>;
    type Value = T;

    fn loaded(output: &Result<Option<T>, E>) -> Loaded<&T> {
        output.as_ref().map_or(Loaded::Failed, |value| value.as_ref().map_or(Loaded::None, Loaded::Value))
    }

    fn hit(value: T) -> Result<Option<T>, E> {
        Ok(Some(value))
    }

    fn none() -> Option<Result<Option<T>, E>> {
        Some(Ok(None))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Value, E: From<Error>> FailClosed for Fallible<T, E> {
    fn fail(error: Error) -> Result<T, E> {
        Err(error.into())
    }
}

#[diagnostic::do_not_recommend]
impl<T: Value, E: From<Error>> FailClosed for FallibleOptional<T, E> {
    fn fail(error: Error) -> Result<Option<T>, E> {
        Err(error.into())
    }
}

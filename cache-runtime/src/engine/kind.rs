//! What a cached function returns: which part of it is the value, and what is not stored.

use std::any::Any;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, Coding, Fingerprint, Format};
use crate::error::{Error, ErrorKind};

/// An error that the callers of one run share.
pub type Shared = Arc<dyn Any + Send + Sync>;

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
    note = "`Arc<T>` and `Rc<T>` have them behind the feature `rc` of `serde`: `features = [\"derive\", \"rc\"]`",
    note = "a type parameter `T` needs them as bounds: `T: serde::Serialize + serde::de::DeserializeOwned`",
    note = "a response of a web framework, such as `axum::Json<T>`, is not a value: return the `T`, and wrap it in the handler",
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

    /// The error of an output, where the callers of one run can share it.
    fn share(_output: &Self::Output) -> Option<Shared> {
        None
    }

    /// The output of an error that another caller shares; none where it is another function's.
    fn shared(_error: &Shared) -> Option<Self::Output> {
        None
    }
}

/// What a function of this kind returns.
pub type Output<K> = <K as Kind>::Output;

/// A kind that has a `None`: what `none_ttl` needs.
#[diagnostic::on_unimplemented(
    message = "`none_ttl` needs a function that returns `Option<_>` or `Result<Option<_>, _>`",
    note = "leave `none_ttl` out: this function has no `None` to store"
)]
pub trait CachesNone: Kind {}

#[diagnostic::do_not_recommend]
impl<T: Value> CachesNone for Optional<T> {}
#[diagnostic::do_not_recommend]
impl<T: Value, E> CachesNone for FallibleOptional<T, E> {}
#[diagnostic::do_not_recommend]
impl<K: CachesNone + Fails<Error: Clone + Send + Sync + 'static>> CachesNone for Sharing<K> {}

/// A kind that has an error.
pub trait Fails: Kind {
    /// The error.
    type Error;

    /// The error of an output.
    fn error(output: &Self::Output) -> Option<&Self::Error>;

    /// The output of an error.
    fn failed(error: Self::Error) -> Self::Output;
}

/// A kind whose errors can be stored: what `err_ttl` needs.
#[diagnostic::on_unimplemented(
    message = "`err_ttl` needs a function that returns a `Result` whose error can be stored",
    note = "the error must be `Serialize` and `DeserializeOwned`, as the value is; or leave `err_ttl` out: errors are then not stored"
)]
pub trait CachesFailures: Kind {
    /// The fingerprint of the error's type.
    #[must_use]
    fn failure_fingerprint() -> Fingerprint;

    /// Appends the bytes of the error in an output.
    ///
    /// # Errors
    ///
    /// As [`Coding::encode`].
    fn encode_failure<C: Coding>(format: Format, output: &Self::Output, out: &mut Vec<u8>) -> Result<(), Error>;

    /// The output of a stored error.
    ///
    /// # Errors
    ///
    /// As [`Coding::decode`].
    fn decode_failure<C: Coding>(format: Format, payload: &[u8]) -> Result<Self::Output, Error>;
}

#[diagnostic::do_not_recommend]
impl<K: Fails<Error: Value>> CachesFailures for K {
    fn failure_fingerprint() -> Fingerprint {
        codec::fingerprint::<K::Error>()
    }

    fn encode_failure<C: Coding>(format: Format, output: &K::Output, out: &mut Vec<u8>) -> Result<(), Error> {
        K::error(output).map_or(Ok(()), |error| C::encode(format, error, out))
    }

    fn decode_failure<C: Coding>(format: Format, payload: &[u8]) -> Result<K::Output, Error> {
        C::decode(format, payload).map(K::failed)
    }
}

/// A kind whose waiting callers can have the error of the run that they waited for: what `share_errors` needs.
#[diagnostic::on_unimplemented(
    message = "`share_errors = true` needs a function that returns `Result<_, E>` with `E: Display + From<cache_runtime::Error>`",
    label = "waiting callers get the text of the error as a `cache_runtime::Error`, which has to become the error of this function",
    note = "implement both for the error type (`anyhow::Error` and `Box<dyn Error + Send + Sync>` have them), or derive `Clone` for it: \
            then waiting callers get clones, without this argument too",
    note = "or leave `share_errors` out: waiting callers then run the function themselves, in widening groups"
)]
pub trait SharesErrors: Kind {
    /// The error of an output, as waiting callers get it.
    fn share_error(output: &Self::Output) -> Option<Shared>;

    /// The output of an error that another caller shares; none where it is another function's.
    fn shared_error(error: &Shared) -> Option<Self::Output>;
}

/// The text of an error that callers share.
struct Text(String);

/// The text of the error in an output. The alternate form is how `anyhow` and `eyre` print the causes too; most other types
/// have one form.
fn share_text<K: Fails<Error: Display>>(output: &K::Output) -> Option<Shared> {
    K::error(output).map(|error| Arc::new(Text(format!("{error:#}"))) as Shared)
}

fn shared_text<K: Fails<Error: From<Error>>>(error: &Shared) -> Option<K::Output> {
    let Text(text) = error.downcast_ref()?;
    Some(K::failed(Error::new(ErrorKind::Failed, text.as_str()).into()))
}

/// A kind whose output can carry the cache's error: what `fail_open = false` and `shed = true` need.
#[diagnostic::on_unimplemented(
    message = "`fail_open = false` and `shed = true` need a function that returns `Result<_, E>` with `E: From<cache_runtime::Error>`",
    note = "implement `From<cache_runtime::Error>` for the error type, or leave the argument out: the function then runs without the cache"
)]
pub trait FailClosed: Kind {
    /// The output for a cache that failed.
    fn fail(error: Error) -> Self::Output;
}

/// A kind whose late callers have something to return: what `timeout` needs where no old value is kept.
#[diagnostic::on_unimplemented(
    message = "`timeout` needs something to return when the time is up",
    label = "a late caller of this function has neither an error nor an old value",
    note = "return `Result<_, E>`, and write `impl From<cache_runtime::Error> for E`",
    note = "or keep the old value for such a caller: add `stale_if_error = \"1h\"`",
    note = "or leave `timeout` out: callers then wait for as long as the function runs"
)]
pub trait TimesOut: FailClosed {}

#[diagnostic::do_not_recommend]
impl<K: FailClosed> TimesOut for K {}

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

/// A function whose errors can be cloned: the callers of one run share them.
#[derive(Debug)]
pub struct Sharing<K>(PhantomData<K>);

impl<T: Value, E> Fails for Fallible<T, E> {
    type Error = E;

    fn error(output: &Result<T, E>) -> Option<&E> {
        output.as_ref().err()
    }

    fn failed(error: E) -> Result<T, E> {
        Err(error)
    }
}

impl<T: Value, E> Fails for FallibleOptional<T, E> {
    type Error = E;

    fn error(output: &Result<Option<T>, E>) -> Option<&E> {
        output.as_ref().err()
    }

    fn failed(error: E) -> Result<Option<T>, E> {
        Err(error)
    }
}

impl<K: Fails<Error: Clone + Send + Sync + 'static>> Fails for Sharing<K> {
    type Error = K::Error;

    fn error(output: &K::Output) -> Option<&K::Error> {
        K::error(output)
    }

    fn failed(error: K::Error) -> K::Output {
        K::failed(error)
    }
}

impl<K: Fails<Error: Clone + Send + Sync + 'static>> Kind for Sharing<K> {
    type Output = K::Output;
    type Value = K::Value;

    fn loaded(output: &K::Output) -> Loaded<&K::Value> {
        K::loaded(output)
    }

    fn hit(value: K::Value) -> K::Output {
        K::hit(value)
    }

    fn none() -> Option<K::Output> {
        K::none()
    }

    fn share(output: &K::Output) -> Option<Shared> {
        K::error(output).map(|error| Arc::new(error.clone()) as Shared)
    }

    fn shared(error: &Shared) -> Option<K::Output> {
        error.downcast_ref::<K::Error>().cloned().map(K::failed)
    }
}

#[diagnostic::do_not_recommend]
impl<K: FailClosed + Fails<Error: Clone + Send + Sync + 'static>> FailClosed for Sharing<K> {
    fn fail(error: Error) -> K::Output {
        K::fail(error)
    }
}

#[diagnostic::do_not_recommend]
impl<K: Fails<Error: Clone + Send + Sync + 'static>> SharesErrors for Sharing<K> {
    fn share_error(output: &K::Output) -> Option<Shared> {
        Self::share(output)
    }

    fn shared_error(error: &Shared) -> Option<K::Output> {
        Self::shared(error)
    }
}

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

#[diagnostic::do_not_recommend]
impl<T: Value, E: Display + From<Error>> SharesErrors for Fallible<T, E> {
    fn share_error(output: &Result<T, E>) -> Option<Shared> {
        share_text::<Self>(output)
    }

    fn shared_error(error: &Shared) -> Option<Result<T, E>> {
        shared_text::<Self>(error)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Value, E: Display + From<Error>> SharesErrors for FallibleOptional<T, E> {
    fn share_error(output: &Result<Option<T>, E>) -> Option<Shared> {
        share_text::<Self>(output)
    }

    fn shared_error(error: &Shared) -> Option<Result<Option<T>, E>> {
        shared_text::<Self>(error)
    }
}

//! What the attribute may add to the kind of a function: which values are kept and for how long, and what becomes of a
//! `None`, of an error, of a caller that waits too long.

use std::marker::PhantomData;
use std::time::Duration;

use super::kind::{CachesFailures, CachesNone, FailClosed, Kind, Output, Shared, SharesErrors};
use super::round_trip::{Compares, Found};
use crate::codec::{Coding, Fingerprint, Format};
use crate::error::Error;

/// What a kind makes of the cache's error, if it makes anything of it.
pub type MadeOf<K> = Option<fn(Error) -> Output<K>>;

/// A kind, with or without anything added.
pub trait Hooks {
    /// The kind.
    type Kind: Kind;
    /// How its errors are stored.
    type Failures: FailureCoding<Self::Kind>;
    /// Whether its values can be compared.
    type Values: Compares<<Self::Kind as Kind>::Value>;

    /// Whether a value is to be stored.
    fn wants(&self, _value: &<Self::Kind as Kind>::Value) -> bool {
        true
    }

    /// How long this value is fresh, where the function says so by value.
    fn ttl(&self, _value: &<Self::Kind as Kind>::Value) -> Option<Duration> {
        None
    }

    /// What a failing cache makes of a call; none where the function then runs without it.
    fn refusal(&self) -> MadeOf<Self::Kind> {
        None
    }

    /// What a caller gets whose time is up and for whom there is no old value; none where it waits on.
    fn late(&self) -> MadeOf<Self::Kind> {
        None
    }

    /// The error of an output, as waiting callers get it; none where they cannot have it.
    fn share(&self, output: &Output<Self::Kind>) -> Option<Shared> {
        Self::Kind::share(output)
    }

    /// The output of an error that another caller shares; none where it is another function's.
    fn shared(&self, error: &Shared) -> Option<Output<Self::Kind>> {
        Self::Kind::shared(error)
    }
}

/// How a kind's errors are stored and read back, if they are.
pub trait FailureCoding<K: Kind> {
    /// The fingerprint of the error's type; none where errors are not stored.
    #[must_use]
    fn fingerprint() -> Option<Fingerprint> {
        None
    }

    /// Appends the bytes of the error in an output.
    ///
    /// # Errors
    ///
    /// As [`Coding::encode`].
    fn encode<C: Coding>(_format: Format, _output: &Output<K>, _out: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    /// The output of a stored error; none where errors are not stored.
    ///
    /// # Errors
    ///
    /// As [`Coding::decode`].
    fn decode<C: Coding>(_format: Format, _payload: &[u8]) -> Result<Option<Output<K>>, Error> {
        Ok(None)
    }
}

/// Errors are not stored.
#[derive(Debug)]
pub struct NotStored;

impl<K: Kind> FailureCoding<K> for NotStored {}

/// Errors are stored: `err_ttl = …`.
#[derive(Debug)]
pub struct Stored;

impl<K: CachesFailures> FailureCoding<K> for Stored {
    fn fingerprint() -> Option<Fingerprint> {
        Some(K::failure_fingerprint())
    }

    fn encode<C: Coding>(format: Format, output: &Output<K>, out: &mut Vec<u8>) -> Result<(), Error> {
        K::encode_failure::<C>(format, output, out)
    }

    fn decode<C: Coding>(format: Format, payload: &[u8]) -> Result<Option<Output<K>>, Error> {
        K::decode_failure::<C>(format, payload).map(Some)
    }
}

impl<K: Kind, Q: Compares<K::Value>> Hooks for Found<K, Q> {
    type Kind = K;
    type Failures = NotStored;
    type Values = Q;
}

/// A kind under `fail_open = false` or `shed = true`.
#[derive(Debug)]
pub struct OrFail<K, Q>(pub(crate) Found<K, Q>);

impl<K: FailClosed, Q: Compares<K::Value>> Hooks for OrFail<K, Q> {
    type Kind = K;
    type Failures = NotStored;
    type Values = Q;

    fn refusal(&self) -> MadeOf<K> {
        Some(K::fail)
    }
}

/// A function that is asked about values, and how: so that only where it is given does it have to be one, and what is
/// none is one error.
#[derive(Debug)]
struct Asked<N, V, A> {
    function: N,
    ask: fn(&N, &V) -> A,
}

impl<N: Fn(&V) -> A, V, A> Asked<N, V, A> {
    fn new(function: N) -> Self {
        Self { function, ask: |function, value| function(value) }
    }
}

impl<N, V, A> Asked<N, V, A> {
    fn about(&self, value: &V) -> A {
        (self.ask)(&self.function, value)
    }
}

/// How waiting callers get the error of a run, where the kind alone does not say; see [`errors_of`].
#[derive(Debug)]
pub struct SharedErrors<K: Kind> {
    share: fn(&Output<K>) -> Option<Shared>,
    shared: fn(&Shared) -> Option<Output<K>>,
}

/// `share_errors = true`: the errors of a kind that has them, and can share them. What is missing is one error of the
/// compiler, at the argument: nothing else needs the bound.
#[must_use]
pub fn errors_of<K: SharesErrors, Q>(_: Found<K, Q>) -> SharedErrors<K> {
    SharedErrors { share: K::share_error, shared: K::shared_error }
}

/// A kind and what is added to it; see [`hooks`].
#[derive(Debug)]
pub struct Hooked<K: Kind, Q, F = NotStored, W = (), T = ()> {
    wants: Option<Asked<W, K::Value, bool>>,
    ttl: Option<Asked<T, K::Value, Duration>>,
    refusal: MadeOf<K>,
    late: MadeOf<K>,
    errors: Option<SharedErrors<K>>,
    failures: PhantomData<(F, Q)>,
}

/// Begins with nothing added to a kind.
#[must_use]
pub fn hooks<K: Kind, Q>(_: Found<K, Q>) -> Hooked<K, Q> {
    Hooked { wants: None, ttl: None, refusal: None, late: None, errors: None, failures: PhantomData }
}

impl<K: Kind, Q, F, W, T> Hooked<K, Q, F, W, T> {
    /// `cache_if = …`
    #[must_use]
    pub fn cache_if<N: Fn(&K::Value) -> bool>(self, wants: N) -> Hooked<K, Q, F, N, T> {
        let Self { wants: _, ttl, refusal, late, errors, failures } = self;
        Hooked { wants: Some(Asked::new(wants)), ttl, refusal, late, errors, failures }
    }

    /// `ttl = |value| …`
    #[must_use]
    pub fn ttl_of<N: Fn(&K::Value) -> Duration>(self, ttl: N) -> Hooked<K, Q, F, W, N> {
        let Self { wants, ttl: _, refusal, late, errors, failures } = self;
        Hooked { wants, ttl: Some(Asked::new(ttl)), refusal, late, errors, failures }
    }

    /// `none_ttl = …`: there is a `None` to store.
    #[must_use]
    pub fn none(self) -> Self
    where
        K: CachesNone,
    {
        self
    }

    /// `err_ttl = …`: there is an error to store.
    #[must_use]
    pub fn failures(self) -> Hooked<K, Q, Stored, W, T>
    where
        K: CachesFailures,
    {
        let Self { wants, ttl, refusal, late, errors, failures: _ } = self;
        Hooked { wants, ttl, refusal, late, errors, failures: PhantomData }
    }

    /// `share_errors = true`
    #[must_use]
    pub fn share_errors(mut self, errors: SharedErrors<K>) -> Self {
        self.errors = Some(errors);
        self
    }

    /// `fail_open = false`, `shed = true`
    #[must_use]
    pub fn or_fail(mut self) -> Self
    where
        K: FailClosed,
    {
        self.refusal = Some(K::fail);
        self
    }

    /// `timeout = …`: what a caller gets that has waited for this long and has no old value.
    #[must_use]
    pub fn late(mut self, late: MadeOf<K>) -> Self {
        self.late = late;
        self
    }
}

impl<K, Q, F, W, T> Hooks for Hooked<K, Q, F, W, T>
where
    K: Kind,
    Q: Compares<K::Value>,
    F: FailureCoding<K>,
{
    type Kind = K;
    type Failures = F;
    type Values = Q;

    fn wants(&self, value: &K::Value) -> bool {
        self.wants.as_ref().is_none_or(|wants| wants.about(value))
    }

    fn ttl(&self, value: &K::Value) -> Option<Duration> {
        self.ttl.as_ref().map(|ttl| ttl.about(value))
    }

    fn refusal(&self) -> MadeOf<K> {
        self.refusal
    }

    fn late(&self) -> MadeOf<K> {
        self.late
    }

    fn share(&self, output: &Output<K>) -> Option<Shared> {
        self.errors.as_ref().map_or_else(|| K::share(output), |errors| (errors.share)(output))
    }

    fn shared(&self, error: &Shared) -> Option<Output<K>> {
        self.errors.as_ref().map_or_else(|| K::shared(error), |errors| (errors.shared)(error))
    }
}

//! What the attribute may add to the kind of a function: which values are kept and for how long, and what becomes of a
//! `None`, of an error, of a caller that waits too long.

use std::marker::PhantomData;
use std::time::Duration;

use super::kind::{CachesFailures, CachesNone, FailClosed, Kind, Output};
use crate::codec::{Coding, Format};
use crate::error::Error;

/// What a kind makes of the cache's error, if it makes anything of it.
pub type MadeOf<K> = Option<fn(Error) -> Output<K>>;

/// A kind, with or without anything added.
pub trait Hooks {
    /// The kind.
    type Kind: Kind;
    /// How its errors are stored.
    type Failures: FailureCoding<Self::Kind>;

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
}

/// How a kind's errors are stored and read back, if they are.
pub trait FailureCoding<K: Kind> {
    /// The fingerprint of the error's type; none where errors are not stored.
    #[must_use]
    fn fingerprint() -> Option<u32> {
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
    fn fingerprint() -> Option<u32> {
        Some(K::failure_fingerprint())
    }

    fn encode<C: Coding>(format: Format, output: &Output<K>, out: &mut Vec<u8>) -> Result<(), Error> {
        K::encode_failure::<C>(format, output, out)
    }

    fn decode<C: Coding>(format: Format, payload: &[u8]) -> Result<Option<Output<K>>, Error> {
        K::decode_failure::<C>(format, payload).map(Some)
    }
}

impl<K: Kind> Hooks for PhantomData<K> {
    type Kind = K;
    type Failures = NotStored;
}

/// A kind under `fail_open = false` or `shed = true`.
#[derive(Debug)]
pub struct OrFail<K>(pub(crate) PhantomData<K>);

impl<K: FailClosed> Hooks for OrFail<K> {
    type Kind = K;
    type Failures = NotStored;

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

/// A kind and what is added to it; see [`hooks`].
#[derive(Debug)]
pub struct Hooked<K: Kind, F = NotStored, W = (), T = ()> {
    wants: Option<Asked<W, K::Value, bool>>,
    ttl: Option<Asked<T, K::Value, Duration>>,
    refusal: MadeOf<K>,
    late: MadeOf<K>,
    failures: PhantomData<F>,
}

/// Begins with nothing added to a kind.
#[must_use]
pub fn hooks<K: Kind>(_: PhantomData<K>) -> Hooked<K> {
    Hooked { wants: None, ttl: None, refusal: None, late: None, failures: PhantomData }
}

impl<K: Kind, F, W, T> Hooked<K, F, W, T> {
    /// `cache_if = …`
    #[must_use]
    pub fn cache_if<N: Fn(&K::Value) -> bool>(self, wants: N) -> Hooked<K, F, N, T> {
        let Self { wants: _, ttl, refusal, late, failures } = self;
        Hooked { wants: Some(Asked::new(wants)), ttl, refusal, late, failures }
    }

    /// `ttl = |value| …`
    #[must_use]
    pub fn ttl_of<N: Fn(&K::Value) -> Duration>(self, ttl: N) -> Hooked<K, F, W, N> {
        let Self { wants, ttl: _, refusal, late, failures } = self;
        Hooked { wants, ttl: Some(Asked::new(ttl)), refusal, late, failures }
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
    pub fn failures(self) -> Hooked<K, Stored, W, T>
    where
        K: CachesFailures,
    {
        let Self { wants, ttl, refusal, late, failures: _ } = self;
        Hooked { wants, ttl, refusal, late, failures: PhantomData }
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

impl<K, F, W, T> Hooks for Hooked<K, F, W, T>
where
    K: Kind,
    F: FailureCoding<K>,
{
    type Kind = K;
    type Failures = F;

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
}

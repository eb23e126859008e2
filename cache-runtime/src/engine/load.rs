//! What a function's types add to a call: its body, which is driven, and its answer, which is kept, coded and decoded.
//!
//! The engine sees both through [`Load`], without their types: so the read path is compiled once, and a cached function
//! adds little more than its body to a build. The borrow lasts for one poll, so whether a call's future is `Send` stays
//! between it and the body.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::kind::{Kind, Loaded};
use crate::codec::{Coding, Format};
use crate::error::Error;

/// A call's types, as the engine sees them.
pub(crate) trait Load {
    /// Drives the function's body; what it returns becomes the answer.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// What the answer is worth to a cache.
    fn loaded(&self) -> Loaded<()>;

    /// Appends the bytes of the answer's value.
    fn encode(&self, format: Format, out: &mut Vec<u8>) -> Result<(), Error>;

    /// Makes the answer of a stored value.
    fn decode(&mut self, format: Format, payload: &[u8]) -> Result<(), Error>;

    /// Makes the answer of another caller's `None`; whether this function has such an answer.
    fn none(&mut self) -> bool;

    /// Makes the answer of a cache that failed; whether this function has such an answer.
    fn refuse(&mut self, error: Error) -> bool;
}

/// The answer to a call, once there is one.
pub(crate) struct Answer<K: Kind, C> {
    output: Option<K::Output>,
    /// What a failing cache makes of the call; none where the function then runs without it.
    refusal: Option<fn(Error) -> K::Output>,
    coding: PhantomData<fn() -> C>,
}

impl<K: Kind, C> Answer<K, C> {
    pub(crate) fn new(refusal: Option<fn(Error) -> K::Output>) -> Self {
        Self { output: None, refusal, coding: PhantomData }
    }

    pub(crate) fn take(&mut self) -> Option<K::Output> {
        self.output.take()
    }
}

/// Body and answer, together for one poll.
pub(crate) struct Typed<'p, K: Kind, C> {
    pub(crate) body: Pin<&'p mut (dyn Future<Output = K::Output> + 'p)>,
    pub(crate) answer: &'p mut Answer<K, C>,
}

impl<K: Kind, C: Coding> Load for Typed<'_, K, C> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.body.as_mut().poll(context).map(|output| self.answer.output = Some(output))
    }

    fn loaded(&self) -> Loaded<()> {
        match self.answer.output.as_ref().map(K::loaded) {
            Some(Loaded::Value(_)) => Loaded::Value(()),
            Some(Loaded::None) => Loaded::None,
            Some(Loaded::Failed) | None => Loaded::Failed,
        }
    }

    fn encode(&self, format: Format, out: &mut Vec<u8>) -> Result<(), Error> {
        match self.answer.output.as_ref().map(K::loaded) {
            Some(Loaded::Value(value)) => C::encode(format, value, out),
            _ => Ok(()),
        }
    }

    fn decode(&mut self, format: Format, payload: &[u8]) -> Result<(), Error> {
        C::decode(format, payload).map(|value| self.answer.output = Some(K::hit(value)))
    }

    fn none(&mut self) -> bool {
        self.answer.output = K::none();
        self.answer.output.is_some()
    }

    fn refuse(&mut self, error: Error) -> bool {
        self.answer.output = self.answer.refusal.map(|fail| fail(error));
        self.answer.output.is_some()
    }
}

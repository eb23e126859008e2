//! What a function's types add to a call: its body, which is driven, and its answer, which is kept, coded and decoded.
//!
//! The engine sees both through [`Load`], without their types: so the read path is compiled once, and a cached function
//! adds little more than its body to a build. The borrow lasts for one poll, so whether a call's future is `Send` stays
//! between it and the body.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::hooks::{FailureCoding, Hooks, MadeOf};
use super::kind::{Kind, Loaded, Output, Shared};
use super::round_trip::{Compares as _, RoundTrip};
use crate::codec::{Coding, Fingerprint, Format};
use crate::error::Error;
use crate::site::TypeName;

/// What a panic carries.
pub(super) type Panic = Box<dyn Any + Send>;

/// A call's types, as the engine sees them.
pub(crate) trait Load {
    /// Drives the function's body; what it returns becomes the answer.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// The answer.
    fn answer(&mut self) -> &mut dyn Reply;

    /// Takes the body away, to be driven by a task of its own; `None` where the caller drives it.
    fn detach(&mut self, _audience: Audience) -> Option<Box<dyn Owned>> {
        None
    }
}

/// Who waits for a body that has a task of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The caller.
    Caller,
    /// Nobody: its value is for the store.
    Nobody,
}

/// A body that its task drives.
pub(crate) trait Owned: Load + Send {
    /// Whether the caller still waits.
    fn is_awaited(&self) -> bool;

    /// Hands the answer to the caller.
    fn deliver(self: Box<Self>);
}

/// The answer to a call, once there is one.
pub(crate) trait Reply {
    /// What the answer is worth to a cache.
    fn loaded(&self) -> Loaded<()>;

    /// Whether the value is one to store.
    fn is_wanted(&self) -> bool;

    /// How long the value is fresh, where the function says so by value.
    fn ttl(&self) -> Option<Duration>;

    /// The fingerprint of errors, where they are stored.
    fn failure_fingerprint(&self) -> Option<Fingerprint>;

    /// Appends the bytes of the value, or of the error.
    fn encode(&self, format: Format, out: &mut Vec<u8>) -> Result<(), Error>;

    /// The type of the value.
    fn value_type(&self) -> TypeName;

    /// What becomes of the value if it is decoded again from these bytes of it; only in a debug build.
    fn round_trip(&self, format: Format, payload: &[u8]) -> RoundTrip;

    /// Makes the answer of a stored value.
    fn decode(&mut self, format: Format, payload: &[u8]) -> Result<(), Error>;

    /// Makes the answer of a stored error.
    fn decode_failure(&mut self, format: Format, payload: &[u8]) -> Result<bool, Error>;

    /// Makes the answer of a `None`; whether this function has such an answer.
    fn none(&mut self) -> bool;

    /// Makes the answer of a cache that failed; whether this function has such an answer.
    fn refuse(&mut self, error: Error) -> bool;

    /// Makes the answer of a wait that is over; whether this function has such an answer.
    fn late(&mut self, error: Error) -> bool;

    /// The error of the answer, where others can have it too. It is asked where the body is.
    fn share(&self) -> Option<Shared>;

    /// Makes the answer of another caller's error; whether it is one of this function's.
    fn shared(&mut self, error: &Shared) -> bool;

    /// From now on a panic of the body is an answer like another: see [`Reply::loaded`].
    fn catch_panics(&mut self);

    /// Whether the body panicked.
    fn has_panicked(&self) -> bool;
}

/// The answer, typed.
pub(crate) struct Answer<H: Hooks, C> {
    /// Gone with the body, where that has a task of its own.
    hooks: Option<H>,
    refusal: MadeOf<H::Kind>,
    late: MadeOf<H::Kind>,
    output: Option<Output<H::Kind>>,
    panic: Option<Panic>,
    catches: bool,
    coding: PhantomData<fn() -> C>,
}

impl<H: Hooks, C> Answer<H, C> {
    pub(crate) fn new(hooks: H) -> Self {
        let (refusal, late) = (hooks.refusal(), hooks.late());
        Self { hooks: Some(hooks), refusal, late, output: None, panic: None, catches: false, coding: PhantomData }
    }

    /// The answer to a body that leaves for a task of its own, where a panic is an answer like another.
    pub(super) fn detach(&mut self) -> Self {
        Self {
            hooks: self.hooks.take(),
            refusal: self.refusal,
            late: self.late,
            output: None,
            panic: None,
            catches: true,
            coding: PhantomData,
        }
    }

    /// The answer; goes on panicking where the body did.
    pub(crate) fn take(&mut self) -> Option<Output<H::Kind>> {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
        self.output.take()
    }

    /// The answer, or the panic that came instead.
    pub(super) fn into_result(self) -> Option<Result<Output<H::Kind>, Panic>> {
        self.panic.map(Err).or(self.output.map(Ok))
    }

    /// What another task came to.
    pub(super) fn receive(&mut self, result: Result<Output<H::Kind>, Panic>) {
        match result {
            Ok(output) => self.set(output),
            Err(panic) => self.panic = Some(panic),
        }
    }

    /// Drives a body.
    pub(super) fn drive<B>(&mut self, body: Pin<&mut B>, context: &mut Context<'_>) -> Poll<()>
    where
        B: Future<Output = Output<H::Kind>> + ?Sized,
    {
        let output = if self.catches {
            match catch_unwind(AssertUnwindSafe(|| body.poll(context))) {
                Ok(output) => output,
                Err(panic) => {
                    self.panic = Some(panic);
                    return Poll::Ready(());
                }
            }
        } else {
            body.poll(context)
        };
        output.map(|output| self.set(output))
    }

    fn set(&mut self, output: Output<H::Kind>) {
        (self.output, self.panic) = (Some(output), None);
    }

    fn set_if(&mut self, output: Option<Output<H::Kind>>) -> bool {
        output.map(|output| self.set(output)).is_some()
    }

    fn value(&self) -> Loaded<&<H::Kind as Kind>::Value> {
        self.output.as_ref().map_or(Loaded::Failed, H::Kind::loaded)
    }
}

impl<H: Hooks, C: Coding> Reply for Answer<H, C> {
    fn loaded(&self) -> Loaded<()> {
        match self.value() {
            Loaded::Value(_) => Loaded::Value(()),
            Loaded::None => Loaded::None,
            Loaded::Failed => Loaded::Failed,
        }
    }

    fn is_wanted(&self) -> bool {
        matches!((self.value(), &self.hooks), (Loaded::Value(value), Some(hooks)) if hooks.wants(value))
    }

    fn ttl(&self) -> Option<Duration> {
        match (self.value(), &self.hooks) {
            (Loaded::Value(value), Some(hooks)) => hooks.ttl(value),
            _ => None,
        }
    }

    fn failure_fingerprint(&self) -> Option<Fingerprint> {
        H::Failures::fingerprint()
    }

    fn encode(&self, format: Format, out: &mut Vec<u8>) -> Result<(), Error> {
        match (self.value(), &self.output) {
            (Loaded::Value(value), _) => C::encode(format, value, out),
            (Loaded::Failed, Some(output)) => H::Failures::encode::<C>(format, output, out),
            _ => Ok(()),
        }
    }

    fn value_type(&self) -> TypeName {
        std::any::type_name::<<H::Kind as Kind>::Value>
    }

    fn round_trip(&self, format: Format, payload: &[u8]) -> RoundTrip {
        match self.value() {
            Loaded::Value(value) if cfg!(debug_assertions) => H::Values::round_trip::<C>(format, value, payload),
            _ => RoundTrip::Unknown,
        }
    }

    fn decode(&mut self, format: Format, payload: &[u8]) -> Result<(), Error> {
        C::decode(format, payload).map(|value| self.set(H::Kind::hit(value)))
    }

    fn decode_failure(&mut self, format: Format, payload: &[u8]) -> Result<bool, Error> {
        H::Failures::decode::<C>(format, payload).map(|output| self.set_if(output))
    }

    fn none(&mut self) -> bool {
        self.set_if(H::Kind::none())
    }

    fn refuse(&mut self, error: Error) -> bool {
        self.set_if(self.refusal.map(|fail| fail(error)))
    }

    fn late(&mut self, error: Error) -> bool {
        self.set_if(self.late.map(|late| late(error)))
    }

    fn share(&self) -> Option<Shared> {
        self.hooks.as_ref().zip(self.output.as_ref()).and_then(|(hooks, output)| hooks.share(output))
    }

    fn shared(&mut self, error: &Shared) -> bool {
        let output = self.hooks.as_ref().and_then(|hooks| hooks.shared(error));
        self.set_if(output)
    }

    fn catch_panics(&mut self) {
        self.catches = true;
    }

    fn has_panicked(&self) -> bool {
        self.panic.is_some()
    }
}

/// A body that the caller drives, and the answer: together for one poll.
pub(crate) struct Typed<'p, H: Hooks, C> {
    pub(crate) body: Pin<&'p mut (dyn Future<Output = Output<H::Kind>> + 'p)>,
    pub(crate) answer: &'p mut Answer<H, C>,
}

impl<H: Hooks, C: Coding> Load for Typed<'_, H, C> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.answer.drive(self.body.as_mut(), context)
    }

    fn answer(&mut self) -> &mut dyn Reply {
        self.answer
    }
}

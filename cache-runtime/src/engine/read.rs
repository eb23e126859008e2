//! The future of a cached call: the engine's steps in turn, with the function's types lent to each.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::call::{Call, Step};
use super::fill::Fill;
use super::kind::Kind;
use super::load::{Answer, Load, Typed};
use crate::codec::Coding;
use crate::entry;

/// A cached call: served from the store, from another caller, or from the function, whose future `body` runs at most
/// once.
///
/// Dropping it abandons the call: a lease it holds is given back, and who waits for it goes on.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Read<'b, K: Kind, C, B> {
    stage: Stage,
    answer: Answer<K, C>,
    body: Pin<&'b mut B>,
}

/// Where a call stands. Whatever waits is boxed: a caller's future holds a pointer to it.
enum Stage {
    /// Before the first look.
    New(Box<Call>),
    /// Finding out what to do next.
    Choosing(Pin<Box<dyn Future<Output = (Box<Call>, Step)> + Send>>),
    /// Running the function.
    Running(Box<Fill>),
    /// Handing out what came of that.
    Finishing(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// There is an answer.
    Over,
}

impl<'b, K: Kind, C, B> Read<'b, K, C, B> {
    pub(crate) fn new(call: Call, body: Pin<&'b mut B>, refusal: Option<fn(crate::Error) -> K::Output>) -> Self {
        Self { stage: Stage::New(Box::new(call)), answer: Answer::new(refusal), body }
    }
}

/// Nothing in it is pinned but the body, which is pinned elsewhere.
impl<K: Kind, C, B> Unpin for Read<'_, K, C, B> {}

impl<K, C, B> Future for Read<'_, K, C, B>
where
    K: Kind,
    C: Coding,
    B: Future<Output = K::Output>,
{
    type Output = K::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<K::Output> {
        let Self { stage, answer, body } = &mut *self;
        ready!(stage.poll(context, &mut Typed { body: body.as_mut(), answer }));
        answer.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Stage {
    /// What is in this process needs no waiting, and no room for it.
    fn new(mut call: Box<Call>, load: &mut dyn Load) -> Self {
        match call.look_here() {
            Some(found) => Self::after(call, Step::Decode(found), load),
            None => Self::choosing(call),
        }
    }

    fn choosing(mut call: Box<Call>) -> Self {
        Self::Choosing(Box::pin(async move {
            let step = call.next().await;
            (call, step)
        }))
    }

    /// Goes on until there is an answer. A stage that panics is gone.
    fn poll(&mut self, context: &mut Context<'_>, load: &mut dyn Load) -> Poll<()> {
        loop {
            match std::mem::replace(self, Self::Over) {
                Self::New(call) => *self = Self::new(call, load),
                Self::Choosing(mut choosing) => {
                    let Poll::Ready((call, step)) = choosing.as_mut().poll(context) else {
                        *self = Self::Choosing(choosing);
                        return Poll::Pending;
                    };
                    *self = Self::after(call, step, load);
                }
                Self::Running(mut fill) => {
                    if fill.poll(context, load).is_pending() {
                        *self = Self::Running(fill);
                        return Poll::Pending;
                    }
                    *self = Self::Finishing(Box::pin(fill.finish(load)));
                }
                Self::Finishing(mut finishing) => {
                    if finishing.as_mut().poll(context).is_pending() {
                        *self = Self::Finishing(finishing);
                        return Poll::Pending;
                    }
                }
                Self::Over => return Poll::Ready(()),
            }
        }
    }

    /// Takes a step; the last one makes the answer.
    fn after(mut call: Box<Call>, step: Step, load: &mut dyn Load) -> Self {
        match step {
            Step::Decode(found) => match load.decode(call.format(), entry::payload(&found.bytes)) {
                Ok(()) => {
                    call.served(&found);
                    return Self::Over;
                }
                Err(error) => call.cannot_use(&found, &error),
            },
            Step::Absent if load.none() => {
                call.coalesced_none();
                return Self::Over;
            }
            Step::Absent => {}
            Step::Refuse(error) => {
                if load.refuse(error) {
                    return Self::Over;
                }
            }
            Step::Load(run) => return Self::Running(Box::new(Fill::new(call, run))),
        }
        Self::choosing(call)
    }
}

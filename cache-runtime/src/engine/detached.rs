//! Bodies with tasks of their own: a caller that goes away does not stop them, and a refresh has no caller.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::call::Call;
use super::hooks::Hooks;
use super::kind::Output;
use super::load::{Answer, Audience, Load, Owned, Panic, Reply};
use super::read::Stage;
use crate::codec::Coding;

/// A cached call whose body can have a task of its own. Dropping it abandons the wait, and not a body that runs.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Detached<H: Hooks, C, F, B> {
    stage: Stage,
    load: Detachable<H, C, F, B>,
}

impl<H: Hooks, C, F, B> Detached<H, C, F, B> {
    pub(crate) fn new(call: Box<Call>, hooks: H, load: F) -> Self {
        Self { stage: Stage::New(call), load: Detachable { body: Body::New(load), answer: Answer::new(hooks) } }
    }
}

/// Nothing in it is pinned but the body, which is boxed.
impl<H: Hooks, C, F, B> Unpin for Detached<H, C, F, B> {}

impl<H, C, F, B> Future for Detached<H, C, F, B>
where
    H: Hooks + Send + 'static,
    C: Coding + 'static,
    F: FnOnce() -> B,
    B: Future<Output = Output<H::Kind>> + Send + 'static,
    Output<H::Kind>: Send + 'static,
{
    type Output = Output<H::Kind>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stage, load } = &mut *self;
        ready!(stage.poll(context, load));
        load.answer.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A body that is made when it is needed: a hit copies no parameter.
struct Detachable<H: Hooks, C, F, B> {
    body: Body<F, B, Result<Output<H::Kind>, Panic>>,
    answer: Answer<H, C>,
}

/// Where a body is.
enum Body<F, B, R> {
    New(F),
    /// With the caller: there is no runtime that could have a task.
    Here(Pin<Box<B>>),
    /// With its task, which sends what comes of it.
    Away(oneshot::Receiver<R>),
    Over,
}

impl<H, C, F, B> Load for Detachable<H, C, F, B>
where
    H: Hooks + Send + 'static,
    C: Coding + 'static,
    F: FnOnce() -> B,
    B: Future<Output = Output<H::Kind>> + Send + 'static,
    Output<H::Kind>: Send + 'static,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            self.body = match std::mem::replace(&mut self.body, Body::Over) {
                Body::New(load) => Body::Here(Box::pin(load())),
                Body::Here(mut body) => {
                    let driven = self.answer.drive(body.as_mut(), context);
                    if driven.is_pending() {
                        self.body = Body::Here(body);
                    }
                    return driven;
                }
                Body::Away(mut result) => {
                    match Pin::new(&mut result).poll(context) {
                        Poll::Ready(Ok(result)) => self.answer.receive(result),
                        Poll::Ready(Err(_)) => panic!("the tokio runtime shut down while it ran a cached function"),
                        Poll::Pending => {
                            self.body = Body::Away(result);
                            return Poll::Pending;
                        }
                    }
                    return Poll::Ready(());
                }
                Body::Over => return Poll::Pending,
            }
        }
    }

    fn answer(&mut self) -> &mut dyn Reply {
        &mut self.answer
    }

    fn detach(&mut self, audience: Audience) -> Option<Box<dyn Owned>> {
        match std::mem::replace(&mut self.body, Body::Over) {
            Body::New(load) => {
                let (result, receiver) = oneshot::channel();
                if audience == Audience::Caller {
                    self.body = Body::Away(receiver);
                }
                Some(Box::new(Task { body: Box::pin(load()), answer: self.answer.detach(), result }))
            }
            other => {
                self.body = other;
                None
            }
        }
    }
}

/// A body and its answer, for a task to drive.
struct Task<H: Hooks, C> {
    body: Pin<Box<dyn Future<Output = Output<H::Kind>> + Send>>,
    answer: Answer<H, C>,
    result: oneshot::Sender<Result<Output<H::Kind>, Panic>>,
}

impl<H, C> Load for Task<H, C>
where
    H: Hooks + Send,
    C: Coding,
    Output<H::Kind>: Send,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.answer.drive(self.body.as_mut(), context)
    }

    fn answer(&mut self) -> &mut dyn Reply {
        &mut self.answer
    }
}

impl<H, C> Owned for Task<H, C>
where
    H: Hooks + Send,
    C: Coding,
    Output<H::Kind>: Send,
{
    fn is_awaited(&self) -> bool {
        !self.result.is_closed()
    }

    fn deliver(self: Box<Self>) {
        let Self { answer, result, body: _ } = *self;
        // A caller that went away needs no answer.
        let _ = answer.into_result().map(|answer| result.send(answer));
    }
}

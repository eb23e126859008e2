//! The future of a cached call: the engine's steps in turn, with the function's types lent to each.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::call::{Call, Step};
use super::fill::Fill;
use super::flight::Seat;
use super::hooks::Hooks;
use super::kind::Output;
use super::late::{Late, Patience};
use super::load::{Answer, Audience, Load, Owned, Typed};
use super::sight::Found;
use crate::codec::Coding;
use crate::error::Error;
use crate::observe;
use crate::policy::freshness::Refresh;
use crate::{runtime, scope};

/// A cached call: served from the store, from another caller, or from the function, whose future `body` runs at most
/// once.
///
/// Dropping it abandons the call: a lease it holds is given back, and who waits for it goes on.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Read<'b, H: Hooks, C, B> {
    stage: Stage,
    answer: Answer<H, C>,
    body: Pin<&'b mut B>,
}

impl<'b, H: Hooks, C, B> Read<'b, H, C, B> {
    pub(crate) fn new(call: Box<Call>, hooks: H, body: Pin<&'b mut B>) -> Self {
        Self { stage: Stage::New(call), answer: Answer::new(hooks), body }
    }
}

/// Nothing in it is pinned but the body, which is pinned elsewhere.
impl<H: Hooks, C, B> Unpin for Read<'_, H, C, B> {}

impl<H, C, B> Future for Read<'_, H, C, B>
where
    H: Hooks,
    C: Coding,
    B: Future<Output = Output<H::Kind>>,
{
    type Output = Output<H::Kind>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stage, answer, body } = &mut *self;
        ready!(stage.poll(context, &mut Typed { body: body.as_mut(), answer }));
        answer.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// What the store has at a key.
type Looked = Result<Option<Bytes>, Error>;

/// Where a call stands. Whatever waits is boxed: a caller's future holds a pointer to it.
pub(super) enum Stage {
    /// Before the first look.
    New(Box<Call>),
    /// The first look: all that a hit waits for.
    Looking(Pin<Box<dyn Future<Output = (Box<Call>, Looked)> + Send>>),
    /// Finding out what to do next.
    Choosing(Pin<Box<dyn Future<Output = (Box<Call>, Step)> + Send>>),
    /// Running the function.
    Running(Box<Fill>),
    /// Waiting for the function, which has a task of its own, for as long as the caller does.
    Away(Option<Box<Late>>),
    /// Handing out what came of it.
    Finishing(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// There is an answer.
    Over,
}

impl Stage {
    /// What is in this process needs no waiting, and no room for it.
    fn new(mut call: Box<Call>, load: &mut dyn Load) -> Self {
        match call.look_here() {
            Some(found) => Self::after(call, Step::Decode(found), load),
            None if call.looks() => Self::looking(call),
            None => Self::choosing(call),
        }
    }

    /// In a box of its own, in which it is made: what goes to the client's future stays uninitialized, and `Box::pin`
    /// would copy it.
    fn looking(mut call: Box<Call>) -> Self {
        let room = Box::new_uninit();
        let look = Box::write(room, async move {
            let entry = call.look().await;
            (call, entry)
        });
        Self::Looking(Box::into_pin(look))
    }

    fn choosing(mut call: Box<Call>) -> Self {
        Self::Choosing(Box::pin(async move {
            let step = call.next().await;
            (call, step)
        }))
    }

    /// A caller that waits has given up the room that its look needed, since thousands may wait; it needs it again if the
    /// wait comes to nothing.
    fn waiting(mut call: Box<Call>, seat: Seat) -> Self {
        Self::Choosing(Box::pin(async move {
            let step = match call.wait(seat).await {
                Some(step) => step,
                None => Box::pin(call.next()).await,
            };
            (call, step)
        }))
    }

    /// Goes on until there is an answer. A stage that panics is gone.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, load: &mut dyn Load) -> Poll<()> {
        loop {
            match std::mem::replace(self, Self::Over) {
                Self::New(call) => *self = Self::new(call, load),
                Self::Looking(mut looking) => {
                    let Poll::Ready((mut call, entry)) = looking.as_mut().poll(context) else {
                        *self = Self::Looking(looking);
                        return Poll::Pending;
                    };
                    *self = match call.looked(entry) {
                        Some(step) => Self::after(call, step, load),
                        None => Self::choosing(call),
                    };
                }
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
                    *self = Self::Finishing(Box::pin(fill.finish(load.answer(), true)));
                }
                Self::Away(late) => {
                    if load.poll(context).is_pending() {
                        *self = match late.map(|late| late.poll(context, load.answer())) {
                            Some(Patience::Answered) => return Poll::Ready(()),
                            Some(Patience::Waits(late)) => Self::Away(Some(late)),
                            Some(Patience::Endless) | None => Self::Away(None),
                        };
                        return Poll::Pending;
                    }
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
            Step::Decode(found) if call.decodes(&found, load.answer()) => {
                call.served(&found);
                if found.refresh == Refresh::Background {
                    revalidate(call, found, load);
                }
                return Self::Over;
            }
            Step::Decode(found) => call.cannot_use(&found),
            Step::Wait(seat) => return Self::waiting(call, seat),
            Step::Absent if load.answer().none() => {
                call.coalesced_none();
                return Self::Over;
            }
            Step::Share(error) if load.answer().shared(&error) => {
                call.coalesced_error();
                return Self::Over;
            }
            Step::Refuse(error) => {
                if load.answer().refuse(error) {
                    call.refused();
                    return Self::Over;
                }
            }
            Step::Late => match Late::new(&mut call).map(|late| late.answer(load.answer())) {
                Some(Patience::Answered) => return Self::Over,
                _ => call.patient = true,
            },
            Step::Load(run) => {
                if call.fallback.is_some() {
                    load.answer().catch_panics();
                }
                let late = Late::new(&mut call);
                return Self::load(Box::new(Fill::new(call, run)), late, load);
            }
            Step::Absent | Step::Share(_) => {}
        }
        Self::choosing(call)
    }

    /// Runs the function: in a task of its own, where it may have one.
    fn load(fill: Box<Fill>, late: Option<Box<Late>>, load: &mut dyn Load) -> Self {
        let runtime = Handle::try_current();
        let Some((runtime, owned)) = runtime.ok().and_then(|runtime| Some((runtime, load.detach(Audience::Caller)?)))
        else {
            return Self::Running(fill);
        };
        let background = Arc::clone(fill.background());
        background.run(&runtime, scope::inherit(carry_out(fill, owned)));
        Self::Away(late)
    }
}

/// Loads a value anew that was served, unless somebody in this process does, or too many refreshes run.
fn revalidate(mut call: Box<Call>, found: Found, load: &mut dyn Load) {
    let key = Arc::clone(call.shared_key());
    let engine = Arc::clone(call.cache.engine());
    let Ok(runtime) = runtime::with_timers() else { return };
    let Some(alone) = engine.flights.lead_alone(&key, call.request.lock.wait) else { return };
    let Some(permit) = engine.background.permit() else {
        return observe::refresh_put_off(call.request.site, &key);
    };
    let Some(owned) = load.detach(Audience::Nobody) else { return };
    let refresh = async move {
        if let Some(run) = call.revalidate(alone, &found).await {
            carry_out(Box::new(Fill::new(call, run)), owned).await;
        }
    };
    engine.background.refresh(&runtime, permit, scope::inherit_cache(refresh));
}

/// A body's own task.
async fn carry_out(mut fill: Box<Fill>, mut load: Box<dyn Owned>) {
    poll_fn(|context| fill.poll(context, &mut *load)).await;
    let reports = load.is_awaited();
    let finish = fill.finish(load.answer(), reports);
    finish.await;
    load.deliver();
}

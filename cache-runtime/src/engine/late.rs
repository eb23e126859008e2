//! The end of a caller's patience with a function: `timeout = …`. The function runs on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::time::Sleep;

use super::Engine;
use super::call::{Call, ended};
use super::load::Reply;
use super::sight::Found;
use crate::error::{Error, ErrorKind};
use crate::observe;
use crate::report::Outcome;
use crate::runtime;
use crate::site::Site;

/// A caller that waits for its function up to a limit.
pub(super) struct Late {
    timer: Pin<Box<Sleep>>,
    limit: Duration,
    site: &'static Site,
    key: Arc<str>,
    engine: Arc<Engine>,
    fallback: Option<Found>,
}

/// Where such a caller stands.
pub(super) enum Patience {
    Waits(Box<Late>),
    /// It has an answer.
    Answered,
    /// The limit is reached, and it waits on: there is nothing else to answer with.
    Endless,
}

impl Late {
    /// The patience of this call from when it began to wait, where it has a limit.
    pub(super) fn new(call: &mut Call) -> Option<Box<Self>> {
        let by = call.answer_by()?;
        // Without timers it waits on.
        runtime::with_timers().ok()?;
        let timer = Box::pin(tokio::time::sleep_until(by));
        let limit = call.request.timeout?;
        let (site, key, engine) = (call.request.site, Arc::clone(call.shared_key()), Arc::clone(call.cache.engine()));
        Some(Box::new(Self { timer, limit, site, key, engine, fallback: call.fallback.clone() }))
    }

    pub(super) fn poll(mut self: Box<Self>, context: &mut Context<'_>, answer: &mut dyn Reply) -> Patience {
        if self.timer.as_mut().poll(context).is_pending() {
            return Patience::Waits(self);
        }
        self.answer(answer)
    }

    /// Answers a call whose limit is reached, with an old value, or with its own error.
    pub(super) fn answer(&self, answer: &mut dyn Reply) -> Patience {
        let Self { limit, site, key, .. } = self;
        if let Some(found) = &self.fallback
            && found.decode(site, key, &self.engine, answer)
        {
            observe::served_late(site, key, *limit);
            ended(site, key, Outcome::Stale, Some((found.header, &*self.engine)), false);
            return Patience::Answered;
        }
        let error = Error::new(ErrorKind::Timeout, format!("`{}` did not return within {limit:?}", site.function));
        if answer.late(error) {
            observe::gave_up_late(site, key, *limit);
            ended(site, key, Outcome::TimedOut, None, false);
            return Patience::Answered;
        }
        Patience::Endless
    }
}

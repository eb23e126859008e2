//! Sweeps: the removal of all entries under the cache's prefix, for invalidations whose keys could not be kept.
//!
//! A pass goes through all keys of all servers in steps. Each step is bounded, by a number of keys and by a deadline, and
//! is followed by a rest as long as the step took, so that a server is held for half of the time at most. A step that
//! fails is repeated, from where it began. The servers of a cluster are swept concurrently: one that is away holds up the
//! end of the pass, and no other server.
//!
//! # Why a pass covers all that was loaded before it began
//!
//! `SCAN` returns every key that is there from the beginning of a pass to its end. A value that was stored before is such
//! a key, unless it is gone, which is as good. A fill in flight that began before holds a lease at its key, and a lease is
//! an entry: it is there until the value takes its place, and whichever of the two the sweep meets is removed. A fill whose
//! lease is gone stores nothing. A fill that takes its lease later also loads later, from an origin that has the write
//! which the invalidation was about.
//!
//! Of a cluster that is so only while no hash slot moves. So the map is read at the beginning and at the end of a pass, and
//! a pass during which slots have moved is repeated.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::Engine;
use super::outage::Asked;
use super::pending::Covers;
use super::sole_task::SoleTask;
use crate::error::{Error, ErrorKind};
use crate::health::Sweep;
use crate::policy::breaker;
use crate::store::{Budget, Part, Plan, Position, Step};
use crate::{clock, observe, random};

/// How many keys a step looks at, about: a millisecond or two of a server's time, in pieces between which it answers
/// others. Raising it saves round trips and makes the steps longer.
const PAGE: usize = 500;

/// How long a step may take, if the cache's deadline is not longer. Nobody waits for it; it only ends a step that hangs.
const STEP_DEADLINE: Duration = Duration::from_secs(1);

/// Why a pass does not go on.
enum Stop {
    /// The cache is gone.
    Gone,
    /// Other servers have some of the keys by now.
    Moved,
    /// The store cannot list its keys.
    Unsupported,
}

impl Engine {
    /// Ensures that a task sweeps, if that is needed and the store supports it.
    pub(super) fn ensure_sweeping(&self) {
        if self.pending.wants_sweep() {
            SoleTask::ensure(self, |engine| &engine.pending.sweeping, sweep);
        }
    }

    async fn sweep_step(&self, part: &Part) -> Result<Step, Error> {
        let server = part.node.as_ref().map_or_else(|| self.store(), |node| Asked::Node(Arc::clone(node)));
        let mut budget = Budget::new(STEP_DEADLINE.max(self.deadline));
        let step = pin!(self.backend.sweep_part(part, &self.prefix, PAGE));
        self.step_on(server, &mut budget, ("sweep", &self.prefix), step).await
    }

    fn sweep_failed(&self, error: &Error) {
        // That the server is down has been said.
        if error.kind() != ErrorKind::BreakerOpen {
            observe::sweep_failed(error);
        }
        self.pending.failed_again(error);
        self.pending.sweep_is(Sweep::Pending);
    }

    fn cannot_sweep(&self) {
        observe::cannot_sweep();
        self.pending.sweep_is(Sweep::Unsupported);
    }
}

async fn sweep(task: SoleTask) {
    let begun = pause(task.engine(), 0).await;
    if begun.is_ok() && sweep_all(task.engine()).await.is_some() {
        task.leaves();
    }
}

/// Makes passes until nothing is left that a pass would cover; `None` if the cache is gone.
pub(super) async fn sweep_all(cache: &Weak<Engine>) -> Option<()> {
    while !cache.upgrade()?.pending.ends_sweeping() {
        match pass(cache).await {
            Ok(covers) => {
                let engine = cache.upgrade()?;
                engine.pending.swept(covers, engine.flights.next());
            }
            Err(Stop::Moved) => pause(cache, 0).await.ok()?,
            Err(Stop::Unsupported) => cache.upgrade()?.cannot_sweep(),
            Err(Stop::Gone) => return None,
        }
    }
    Some(())
}

/// One pass over all keys, and what it covers.
async fn pass(cache: &Weak<Engine>) -> Result<Covers, Stop> {
    let mut plan = plan(cache).await?;
    let parts = plan.parts.iter_mut().map(|part| sweep_part(cache, part));
    let covers = try_join_all(parts).await?.into_iter().min();
    verify(cache, &mut plan).await?;
    // A store without servers has moved elsewhere.
    covers.ok_or(Stop::Moved)
}

async fn plan(cache: &Weak<Engine>) -> Result<Plan, Stop> {
    let mut attempt = 0;
    loop {
        let engine = held(cache, STEP_DEADLINE)?;
        match engine.backend.plan_sweep().await {
            Ok(plan) => return Ok(plan),
            Err(error) => engine.sweep_failed(&error),
        }
        drop(engine);
        pause(cache, attempt).await?;
        attempt = attempt.saturating_add(1);
    }
}

/// Sweeps what one server has. What failed before the first step is sent is covered.
async fn sweep_part(cache: &Weak<Engine>, part: &mut Part) -> Result<Covers, Stop> {
    let mut attempt = 0;
    let mut covers = held(cache, Duration::ZERO)?.pending.covers();
    loop {
        let engine = held(cache, STEP_DEADLINE)?;
        if part.position.is_start() {
            covers = engine.pending.covers();
        }
        let began = clock::now();
        match engine.sweep_step(part).await {
            Ok(Step::Done) => return Ok(covers),
            Ok(Step::Unsupported) => return Err(Stop::Unsupported),
            Ok(Step::More(position)) => {
                (part.position, attempt) = (position, 0);
                engine.pending.sweep_is(Sweep::Running);
                drop(engine);
                rest(cache, clock::now() - began).await?;
            }
            Ok(Step::Anew) => {
                part.position = Position::default();
                drop(engine);
                pause(cache, attempt).await?;
                attempt = attempt.saturating_add(1);
            }
            Err(error) => {
                engine.sweep_failed(&error);
                if part.node.as_ref().is_some_and(|node| engine.has_left(node)) {
                    return Err(Stop::Moved);
                }
                drop(engine);
                pause(cache, attempt).await?;
                attempt = attempt.saturating_add(1);
            }
        }
    }
}

/// Whether the servers still have the keys that they had when the pass began, which is what makes it cover them.
async fn verify(cache: &Weak<Engine>, plan: &mut Plan) -> Result<(), Stop> {
    let mut attempt = 0;
    loop {
        let engine = held(cache, STEP_DEADLINE)?;
        match engine.backend.verify_sweep(plan).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(Stop::Moved),
            Err(error) => engine.sweep_failed(&error),
        }
        drop(engine);
        pause(cache, attempt).await?;
        attempt = attempt.saturating_add(1);
    }
}

/// The engine, if the cache still exists; the claim is renewed for this time.
fn held(cache: &Weak<Engine>, time: Duration) -> Result<Arc<Engine>, Stop> {
    let engine = cache.upgrade().ok_or(Stop::Gone)?;
    engine.pending.sweeping.renew(time.max(engine.deadline));
    Ok(engine)
}

/// Waits before another try.
async fn pause(cache: &Weak<Engine>, attempt: u32) -> Result<(), Stop> {
    rest(cache, breaker::pause(attempt, random::unit())).await
}

async fn rest(cache: &Weak<Engine>, time: Duration) -> Result<(), Stop> {
    held(cache, time)?;
    tokio::time::sleep(time).await;
    // A rest may be too short to wait for, and a store may answer without waiting.
    tokio::task::yield_now().await;
    Ok(())
}

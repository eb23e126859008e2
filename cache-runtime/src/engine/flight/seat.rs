//! Waiting for a flight, and for how long.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout_at;

use super::evidence::{Arrival, Evidence, Landing};
use super::group::Group;
use super::state::{Phase, State};
use crate::clock::{self, Instant};

/// A waiting caller's hold on a flight.
#[derive(Debug)]
pub(crate) struct Seat {
    state: watch::Receiver<State>,
    group: Group,
    /// How many joined before.
    place: u32,
}

/// What became of a wait.
#[derive(Debug)]
pub(crate) enum Waited {
    /// The flight has landed, or another run of the key has, with something that the caller may take.
    Landed(Evidence, Landing),
    /// The leader is overdue: it is not polled any more.
    Overdue,
    /// The caller has waited up to its limit.
    Limit,
}

impl Seat {
    pub(super) fn new(state: watch::Receiver<State>, group: Group, place: u32) -> Self {
        Self { state, group, place }
    }

    /// The group of the flight.
    pub(crate) fn group(&self) -> Group {
        self.group
    }

    /// The group in which the caller tries again, if the flight comes to nothing.
    pub(crate) fn widened(&self) -> Group {
        self.group.widened(self.place)
    }

    /// Waits for the landing.
    pub(crate) async fn landing(&mut self, arrival: Arrival, patience: Patience) -> Waited {
        loop {
            let (until, left) = match look(&self.state.borrow_and_update(), arrival, patience) {
                Ok(landed) => return landed,
                Err(wait) => wait,
            };
            if until <= clock::now() {
                return left;
            }
            // Woken or not: what is there now decides.
            let _ = timeout_at(until, self.state.changed()).await;
        }
    }

    /// Whether it is one in the flight with this state.
    #[cfg(test)]
    pub(super) fn is_of(&self, state: &watch::Receiver<State>) -> bool {
        self.state.same_channel(state)
    }

    /// What the flight has landed, and what another run has landed for its callers.
    #[cfg(test)]
    pub(crate) fn seen(&self) -> [Option<(Evidence, Landing)>; 2] {
        let state = self.state.borrow();
        let landed = match &state.phase {
            Phase::Landed(evidence, landing) => Some((*evidence, landing.clone())),
            Phase::Entering(_) | Phase::Loading(..) => None,
        };
        [landed, state.beside.clone()]
    }
}

/// What a waiting caller takes; else until when it waits, and what it has then waited for.
fn look(state: &State, arrival: Arrival, patience: Patience) -> Result<Waited, (Instant, Waited)> {
    if let Some((evidence, landing)) = &state.beside
        && arrival.accepts(*evidence)
    {
        return Ok(Waited::Landed(*evidence, landing.clone()));
    }
    match &state.phase {
        Phase::Landed(evidence, landing) => Ok(Waited::Landed(*evidence, landing.clone())),
        Phase::Loading(_, started) => Err((patience.until(*started), Waited::Limit)),
        Phase::Entering(entering) if entering.by < patience.until_entered() => Err((entering.by, Waited::Overdue)),
        Phase::Entering(_) => Err((patience.until_entered(), Waited::Limit)),
    }
}

/// How long a caller waits for others: for one run no longer than the limit, which counts from when the call began to
/// wait, and again from the start of the run, since that may come after a long wait of the leader for another process.
///
/// The leader keeps the limit itself, so while it waits for another process the others give it the time for its last look:
/// otherwise they would all leave just before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) since: Instant,
    /// How late a leader may be.
    pub(crate) lateness: Duration,
}

impl Patience {
    /// Until when the caller waits for a run that started then.
    pub(super) fn until(&self, started: Instant) -> Instant {
        self.since.max(started) + self.limit
    }

    fn until_entered(&self) -> Instant {
        self.since + self.limit + self.lateness
    }
}

//! One flight: how far it is, and who has joined it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::evidence::{Evidence, Landing};
use super::group::Group;
use super::registry::Caller;
use super::seat::Seat;
use crate::clock::Instant;
use crate::entry::Token;

/// One run that callers share.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) group: Group,
    state: watch::Sender<State>,
    joined: AtomicU32,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// What another run of the key landed meanwhile.
    pub(super) beside: Option<(Evidence, Landing)>,
}

/// How far a flight is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Looking for a value or a lease: what comes is asked for later than now.
    Entering(Entering),
    /// Running the function, since then.
    Loading(Evidence, Instant),
    Landed(Evidence, Landing),
}

/// What a leader has to do before its function runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entering {
    /// When the leader is overdue, unless it has made progress.
    pub(super) by: Instant,
    /// Whether it waits for the run before its own.
    pub(super) queued: bool,
    /// The lease that it has asked for.
    pub(super) asked: Option<Token>,
}

impl Flight {
    pub(super) fn new(group: Group, by: Instant) -> Arc<Self> {
        let phase = Phase::Entering(Entering { by, queued: false, asked: None });
        Arc::new(Self { group, state: watch::channel(State { phase, beside: None }).0, joined: AtomicU32::new(0) })
    }

    pub(super) fn seat(&self) -> Seat {
        Seat::new(self.state.subscribe(), self.group, self.join())
    }

    /// Takes a place; returns how many were taken before.
    pub(super) fn join(&self) -> u32 {
        self.joined.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn has_company(&self) -> bool {
        self.joined.load(Ordering::Relaxed) > 0
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn is_loading(&self) -> bool {
        self.state.borrow().is_loading()
    }

    /// Whether the caller may take what this flight lands, or has landed, and has the patience to wait for it.
    pub(super) fn serves(&self, caller: &Caller, now: Instant) -> bool {
        match &self.state.borrow().phase {
            Phase::Loading(evidence, started) => {
                caller.arrival.accepts(*evidence) && caller.patience.until(*started) > now
            }
            Phase::Landed(evidence, _) => caller.arrival.accepts_landed(*evidence),
            Phase::Entering(_) => false,
        }
    }

    /// Whether the function is still to start, and its leader is not overdue: whoever is here by now may take its value.
    pub(super) fn will_serve(&self, now: Instant) -> bool {
        matches!(&self.state.borrow().phase, Phase::Entering(entering) if entering.by > now)
    }

    /// Whether the caller may take what this flight lands, and has waited for it up to its limit.
    pub(super) fn is_outwaited(&self, caller: &Caller, now: Instant) -> bool {
        match &self.state.borrow().phase {
            Phase::Loading(evidence, started) => {
                caller.arrival.accepts(*evidence) && caller.patience.until(*started) <= now
            }
            Phase::Entering(_) | Phase::Landed(..) => false,
        }
    }

    /// Whether the leader is overdue, or the function has run for longer than `limit`.
    pub(super) fn is_stuck(&self, now: Instant, limit: Duration) -> bool {
        match &self.state.borrow().phase {
            Phase::Entering(entering) => entering.by <= now,
            Phase::Loading(_, started) => *started + limit <= now,
            Phase::Landed(..) => false,
        }
    }

    /// The lease that an overdue leader asked for.
    pub(super) fn overdue_lease(&self, now: Instant) -> Option<Token> {
        match &self.state.borrow().phase {
            Phase::Entering(entering) if entering.by <= now => entering.asked,
            _ => None,
        }
    }

    /// The leader makes progress. Waiting callers are not woken: they learn of it when they find the leader overdue.
    pub(super) fn progress(&self, progress: impl FnOnce(&mut Entering)) {
        self.state.send_if_modified(|state| {
            if let Phase::Entering(entering) = &mut state.phase {
                progress(entering);
            }
            false
        });
    }

    /// A flight that waits for the run before its own starts by then.
    pub(super) fn starts_by(&self, by: Instant) {
        self.state.send_if_modified(|state| match &mut state.phase {
            Phase::Entering(entering) if entering.queued => {
                (entering.by, entering.queued) = (by, false);
                true
            }
            _ => false,
        });
    }

    /// Goes on to this phase, and wakes the waiting callers. Returns whether the function was running.
    pub(super) fn turn(&self, phase: Phase) -> bool {
        let mut was_loading = false;
        self.state.send_modify(|state| {
            was_loading = state.is_loading();
            state.phase = phase;
        });
        was_loading
    }

    /// Offers the waiting callers what another run of the key landed.
    pub(super) fn offer(&self, evidence: Evidence, landing: Landing) {
        self.state.send_if_modified(|state| {
            let waits = state.is_loading();
            if waits {
                state.beside = Some((evidence, landing));
            }
            waits
        });
    }

    pub(super) fn has_landed(&self) -> bool {
        matches!(self.state.borrow().phase, Phase::Landed(..))
    }
}

impl State {
    pub(super) fn is_loading(&self) -> bool {
        matches!(self.phase, Phase::Loading(..))
    }
}

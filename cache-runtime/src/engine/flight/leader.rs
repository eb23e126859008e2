//! Leading a flight: what a leader says of its progress, when its function may start, and what it lands.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout_at;

use super::evidence::{Evidence, Landing};
use super::group::Group;
use super::registry::SingleFlight;
#[cfg(test)]
use super::seat::Seat;
use super::state::{Flight, Phase, State};
use crate::clock::{self, Instant};
use crate::entry::Token;

/// The leader's hold on its flight. Dropped before it has landed, it abandons the flight and wakes the waiting callers.
#[derive(Debug)]
pub(crate) struct Lead {
    flights: Arc<SingleFlight>,
    key: Arc<str>,
    flight: Arc<Flight>,
    /// The leases that overdue leaders of the key had asked for when this flight began.
    passed: Vec<Token>,
}

impl Lead {
    pub(super) fn new(flights: Arc<SingleFlight>, key: Arc<str>, flight: Arc<Flight>, passed: Vec<Token>) -> Self {
        Self { flights, key, flight, passed }
    }

    /// The group of the flight.
    pub(crate) fn group(&self) -> Group {
        self.flight.group
    }

    /// Whether this lease was asked for by a leader that is not polled any more, and may be displaced.
    pub(crate) fn passes(&self, lease: Token) -> bool {
        self.passed.contains(&lease)
    }

    /// The leader asks for this lease.
    pub(crate) fn asks(&self, lease: Token) {
        self.flight.progress(|entering| entering.asked = Some(lease));
    }

    /// The leader goes on, and waits for something that takes up to this long: then it is overdue only after it.
    pub(crate) fn progresses(&self, pause: Duration) {
        let by = clock::now() + pause + self.flights.lateness();
        self.flight.progress(|entering| entering.by = by);
    }

    /// Waits until no run of the group is under way that callers of this flight might have joined; or until then, which is
    /// an error.
    pub(crate) async fn comes_next(&self, until: Instant) -> Result<(), Limit> {
        while let Some(mut ahead) = self.ahead() {
            let by = until + self.flights.lateness();
            // Before the wait: a run that is over from now on says so to those that are queued.
            self.flight.progress(|entering| (entering.by, entering.queued) = (by, true));
            if timeout_at(until, ahead.wait_for(|state| !state.is_loading())).await.is_err() {
                return Err(Limit);
            }
        }
        Ok(())
    }

    /// A run of the group that is under way.
    fn ahead(&self) -> Option<watch::Receiver<State>> {
        let others = self.flights.others(&self.key, &self.flight);
        others.iter().rev().find(|other| other.group == self.flight.group && other.is_loading()).map(|run| run.watch())
    }

    /// The function starts, under this lease if there is one.
    pub(crate) fn loading(&self, lease: Option<Token>) -> Evidence {
        let evidence = Evidence { since: self.flights.next(), lease };
        self.flight.turn(Phase::Loading(evidence, clock::now()));
        evidence
    }

    /// Acts, unless an invalidation ended the flight, or a newer one took its place; an invalidation waits while this acts.
    pub(crate) fn unless_ended(&self, act: impl FnOnce()) {
        self.flights.if_newest(&self.key, &self.flight, act);
    }

    /// Whether anybody waits who may take the value. Closes the flight first, so that the answer stays true.
    pub(crate) fn closed_with_company(&self) -> bool {
        self.flights.close(&self.key, &self.flight)
    }

    /// Gives the landing to everybody who waits for this flight, and a value also to those who wait for other runs of the
    /// key, having left this one. Callers that arrive until the lead is dropped get it too.
    pub(crate) fn land(&self, evidence: Evidence, landing: Landing) {
        if matches!(landing, Landing::Value(_) | Landing::None) {
            for other in self.flights.others(&self.key, &self.flight) {
                other.offer(evidence, landing.clone());
            }
        }
        self.ends(evidence, landing);
    }

    /// Ends the flight, and lets the next one start.
    fn ends(&self, evidence: Evidence, landing: Landing) {
        if self.flight.turn(Phase::Landed(evidence, landing)) {
            let by = clock::now() + self.flights.lateness();
            for other in self.flights.others(&self.key, &self.flight) {
                if other.group == self.flight.group {
                    other.starts_by(by);
                }
            }
        }
    }
}

/// What the model needs to know of a leader, and does to it.
#[cfg(test)]
impl Lead {
    pub(super) fn is_of(&self, flight: &Arc<Flight>) -> bool {
        Arc::ptr_eq(&self.flight, flight)
    }

    pub(crate) fn has(&self, seat: &Seat) -> bool {
        seat.is_of(&self.flight.watch())
    }

    pub(crate) fn passed(&self) -> &[Token] {
        &self.passed
    }

    /// The leader is overdue from now on.
    pub(crate) fn stalls(&self) {
        self.flight.progress(|entering| entering.by = clock::now());
    }
}

/// The limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit;

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.flight.has_landed() {
            self.flights.close(&self.key, &self.flight);
            let evidence = Evidence { since: self.flights.next(), lease: None };
            // A function that panics has failed: its waiting callers do not try it one after the other.
            let landing = if std::thread::panicking() { Landing::Failed(None) } else { Landing::Abandoned };
            self.ends(evidence, landing);
        }
        self.flights.remove(&self.key, &self.flight);
    }
}

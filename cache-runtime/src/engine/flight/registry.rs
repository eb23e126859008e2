//! The flights of a cache, by key.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::evidence::{Arrival, Moment};
use super::group::Group;
use super::leader::Lead;
use super::seat::{Patience, Seat};
use super::state::Flight;
use crate::clock::{self, Instant};
use crate::sharded::Sharded;

/// How much later than the deadline of its steps a leader may be before it counts as not polled any more: a busy executor
/// makes it late by as much. Raising it makes callers wait longer behind a leader that is not polled, and lowering it lets
/// a stalled executor run a function twice.
const GRACE: Duration = Duration::from_millis(250);

/// The flights of a cache.
#[derive(Debug)]
pub(crate) struct SingleFlight {
    flights: Sharded<HashMap<Arc<str>, Flights>>,
    moments: AtomicU64,
    /// How long a leader may take for its next step.
    lateness: Duration,
}

/// The flights of a key by group, the oldest of each first. A group has several where an invalidation by another process, a
/// refresh or an overdue leader was a reason for a new one. Where many callers wait for functions that hang, a key has
/// thousands of groups.
#[derive(Debug, Default)]
pub(super) struct Flights(Vec<Listed>);

#[derive(Debug)]
struct Listed {
    group: Group,
    flight: Arc<Flight>,
    /// Nobody joins it any more.
    closed: bool,
    /// A newer flight of its group has begun.
    superseded: bool,
}

/// A caller that looks for a flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) group: Group,
    pub(crate) arrival: Arrival,
    pub(crate) patience: Patience,
}

/// A caller's part in a flight.
#[derive(Debug)]
pub(crate) enum Enter {
    /// Run, and land.
    Lead(Lead),
    /// Wait for the landing.
    Wait(Seat),
}

impl SingleFlight {
    /// Flights of calls whose steps have this deadline.
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { flights: Sharded::new(), moments: AtomicU64::new(0), lateness: deadline + GRACE }
    }

    /// How late a leader may be with its next step before it is passed.
    pub(crate) fn lateness(&self) -> Duration {
        self.lateness
    }

    /// Now, for a caller that arrives.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.moments.load(Ordering::SeqCst))
    }

    /// A moment later than all that [`now`](Self::now) gave before.
    pub(crate) fn next(&self) -> Moment {
        Moment(self.moments.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Joins a flight of the key that `caller` may share, else leads a new one. A run for which the caller has waited up
    /// to its limit sends it into a wider group.
    pub(crate) fn enter(self: &Arc<Self>, key: &Arc<str>, mut caller: Caller) -> Enter {
        let now = clock::now();
        let mut shard = self.flights.lock(key);
        let flights = shard.entry(Arc::clone(key)).or_default();
        loop {
            if let Some(flight) = flights.open_to(&caller, now) {
                return Enter::Wait(flight.seat());
            }
            let group = caller.group;
            if let Some(flight) = flights.outwaited_by(&caller, now) {
                caller.group = group.widened(flight.join());
            }
            if caller.group == group {
                return Enter::Lead(self.lead(flights, key, group));
            }
        }
    }

    /// Leads a new flight of a key that nobody in this process loads. A flight whose leader is overdue does not count, nor
    /// does one whose function has run for longer than `limit`.
    pub(crate) fn lead_alone(self: &Arc<Self>, key: &Arc<str>, limit: Duration) -> Option<Lead> {
        let now = clock::now();
        let mut shard = self.flights.lock(key);
        let flights = shard.entry(Arc::clone(key)).or_default();
        let is_loaded = flights.0.iter().any(|listed| !listed.flight.is_stuck(now, limit));
        (!is_loaded).then(|| self.lead(flights, key, Group::default()))
    }

    /// Leads a new flight, whatever is under way.
    pub(crate) fn replace(self: &Arc<Self>, key: &Arc<str>) -> Lead {
        let mut shard = self.flights.lock(key);
        self.lead(shard.entry(Arc::clone(key)).or_default(), key, Group::default())
    }

    fn lead(self: &Arc<Self>, flights: &mut Flights, key: &Arc<str>, group: Group) -> Lead {
        let now = clock::now();
        let passed = flights.0.iter().filter_map(|listed| listed.flight.overdue_lease(now)).collect();
        let flight = Flight::new(group, now + self.lateness);
        flights.supersede(group, Arc::clone(&flight));
        Lead::new(Arc::clone(self), Arc::clone(key), flight, passed)
    }

    /// Ends the flights of an invalidated key: callers that arrive from now on do not join them.
    pub(crate) fn end(&self, key: &str) {
        self.flights.lock(key).remove(key);
    }

    /// Acts if the flight is the newest of its group, and no invalidation has ended it; none does while this acts.
    pub(super) fn if_newest(&self, key: &str, flight: &Arc<Flight>, act: impl FnOnce()) {
        let shard = self.flights.lock(key);
        if shard.get(key).and_then(|flights| flights.listed(flight)).is_some_and(|listed| !listed.superseded) {
            act();
        }
    }

    /// Closes a flight: nobody joins it any more. Returns whether callers wait for its landing, or for other runs of the key.
    pub(super) fn close(&self, key: &str, flight: &Arc<Flight>) -> bool {
        let mut shard = self.flights.lock(key);
        let Some(flights) = shard.get_mut(key) else { return flight.has_company() };
        let Some(listed) = flights.listed_mut(flight) else { return flight.has_company() };
        listed.closed = true;
        flight.has_company() || flights.beside(flight).any(|other| other.is_loading() && other.has_company())
    }

    pub(super) fn remove(&self, key: &str, flight: &Arc<Flight>) {
        let mut shard = self.flights.lock(key);
        let Some(flights) = shard.get_mut(key) else { return };
        flights.0.retain(|listed| !Arc::ptr_eq(&listed.flight, flight));
        if flights.0.is_empty() {
            shard.remove(key);
        }
    }

    /// The other flights of the key; none where an invalidation has ended this one.
    pub(super) fn others(&self, key: &str, flight: &Arc<Flight>) -> Vec<Arc<Flight>> {
        let shard = self.flights.lock(key);
        let flights = shard.get(key).filter(|flights| flights.listed(flight).is_some());
        flights.map(|flights| flights.beside(flight).map(Arc::clone).collect()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self, key: &str) -> bool {
        self.flights.lock(key).is_empty()
    }

    /// The flights of a key: which of these leads each, whether it is closed, and whether it is superseded.
    #[cfg(test)]
    pub(crate) fn listed(&self, key: &str, leads: &[Option<&Lead>]) -> Vec<(Option<usize>, bool, bool)> {
        let shard = self.flights.lock(key);
        let flights = shard.get(key).map(|flights| &flights.0[..]).unwrap_or_default();
        let of = |flight| leads.iter().position(|lead| lead.is_some_and(|lead| lead.is_of(flight)));
        flights.iter().map(|listed| (of(&listed.flight), listed.closed, listed.superseded)).collect()
    }
}

impl Flights {
    /// The flight that a caller joins: rather one that runs already, or has landed, than one that is still to start, and
    /// rather a newer one. A caller that is new may join the run whose lease it saw, of whatever group.
    fn open_to(&self, caller: &Caller, now: Instant) -> Option<&Arc<Flight>> {
        let is_new = caller.arrival.saw.is_some() && caller.group == Group::default();
        let all = if is_new { &self.0[..] } else { &self.0[self.range(caller.group)] };
        let served = open(all).find(|flight| flight.serves(caller, now));
        served.or_else(|| open(&self.0[self.range(caller.group)]).find(|flight| flight.will_serve(now)))
    }

    /// A run that the caller may take, and has waited for up to its limit.
    fn outwaited_by(&self, caller: &Caller, now: Instant) -> Option<&Arc<Flight>> {
        open(&self.0[self.range(caller.group)]).find(|flight| flight.is_outwaited(caller, now))
    }

    /// Where the flights of a group are.
    fn range(&self, group: Group) -> Range<usize> {
        self.0.partition_point(|listed| listed.group < group)..self.0.partition_point(|listed| listed.group <= group)
    }

    /// Adds the newest flight of a group.
    fn supersede(&mut self, group: Group, flight: Arc<Flight>) {
        let range = self.range(group);
        for listed in &mut self.0[range.clone()] {
            listed.superseded = true;
        }
        self.0.insert(range.end, Listed { group, flight, closed: false, superseded: false });
    }

    fn beside(&self, flight: &Arc<Flight>) -> impl Iterator<Item = &Arc<Flight>> {
        self.0.iter().map(|listed| &listed.flight).filter(move |other| !Arc::ptr_eq(other, flight))
    }

    fn listed(&self, flight: &Arc<Flight>) -> Option<&Listed> {
        self.0.iter().find(|listed| Arc::ptr_eq(&listed.flight, flight))
    }

    fn listed_mut(&mut self, flight: &Arc<Flight>) -> Option<&mut Listed> {
        self.0.iter_mut().find(|listed| Arc::ptr_eq(&listed.flight, flight))
    }
}

/// Those of these flights that can be joined, the newest first.
fn open(flights: &[Listed]) -> impl Iterator<Item = &Arc<Flight>> {
    flights.iter().rev().filter(|listed| !listed.closed).map(|listed| &listed.flight)
}

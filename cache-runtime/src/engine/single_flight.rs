//! One run per key in this process: the first caller leads, the others wait for what it lands.
//!
//! Sharing a run must not break the rule that invalidation wins: a caller that arrives after an invalidation may not
//! get a value loaded before it. So every landing carries [`Evidence`]: since when it was asked for, and under which
//! lease. A caller takes it if it arrived before that moment, or if a `GET` that it sent itself after arriving showed
//! that very lease still there: an invalidation in between would have removed the lease.
//!
//! Values travel encoded, so that no type needs `Clone`, and each caller decodes its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::kind::Shared;
use crate::clock::{self, Instant};
use crate::entry::Token;
use crate::sharded::Sharded;

/// A point in the order of events in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// Since when, and under which lease, a value was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    pub(crate) since: Moment,
    pub(crate) lease: Option<Token>,
}

/// What a caller knows that decides which landings it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Moment,
    /// The lease that its own `GET` showed.
    pub(crate) saw: Option<Token>,
    /// Whether it could not ask the store: then callers share by key, and only invalidations made in this process end
    /// a flight.
    pub(crate) blind: bool,
}

impl Arrival {
    pub(crate) fn accepts(&self, evidence: Evidence) -> bool {
        self.blind || self.at < evidence.since || (self.saw.is_some() && self.saw == evidence.lease)
    }
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// With a value: the entry's bytes.
    Value(Bytes),
    /// With `None`, which is not stored.
    None,
    /// The function failed or panicked, or its value could not be encoded. An error that can be cloned is for all.
    Failed(Option<Shared>),
    /// Its caller went away.
    Abandoned,
}

#[derive(Clone, Debug)]
enum State {
    /// Looking for a value or a lease: what comes is asked for later than now.
    Entering,
    /// Running the function.
    Loading(Evidence, Instant),
    Landed(Evidence, Landing),
}

/// One run that callers share.
#[derive(Debug)]
pub(crate) struct Flight {
    state: watch::Sender<State>,
    joined: AtomicU32,
}

/// The flights of a cache, by key. A key has several after failures: see [`Group`].
#[derive(Debug)]
pub(crate) struct SingleFlight {
    flights: Sharded<Flights>,
    moments: AtomicU64,
}

type Flights = HashMap<Arc<str>, Vec<(Group, Arc<Flight>)>>;

/// Which of a key's concurrent flights: 0, and after the n-th failure in a row one of 2^n, so that a failing origin is
/// neither asked by all callers at once nor by one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    round: u32,
    index: u32,
}

/// Rounds after which the groups do not widen any more.
const MAX_ROUND: u32 = 10;

impl Group {
    /// The group of a caller that was the `place`-th to join a flight that failed: half of them stay, half of them go.
    pub(crate) fn widened(self, place: u32) -> Self {
        if self.round == MAX_ROUND {
            return self;
        }
        Self { round: self.round + 1, index: self.index | (place % 2) << self.round }
    }

    /// Whether flights of this group take the lease: one of them is enough.
    pub(crate) fn takes_lease(self) -> bool {
        self.index == 0
    }
}

/// A caller's part in a flight.
pub(crate) enum Enter {
    /// Run, and land.
    Lead(Lead),
    /// Wait for the landing.
    Wait(Seat),
}

impl SingleFlight {
    pub(crate) fn new() -> Self {
        Self { flights: Sharded::new(), moments: AtomicU64::new(0) }
    }

    /// Now, for a caller that arrives.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.moments.load(Ordering::SeqCst))
    }

    /// A moment later than all that [`now`](Self::now) gave before.
    pub(crate) fn next(&self) -> Moment {
        Moment(self.moments.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Joins the key's flight if `arrival` may take what it lands, else leads a new one.
    pub(crate) fn enter(self: &Arc<Self>, key: &Arc<str>, group: Group, arrival: Arrival) -> Enter {
        let mut shard = self.flights.lock(key);
        let flights = shard.entry(Arc::clone(key)).or_default();
        let joins = |(other, flight): &&(Group, Arc<Flight>)| match &*flight.state.borrow() {
            State::Entering => *other == group,
            // Who comes new joins the run whose lease it saw, of whatever group.
            State::Loading(evidence, _) if arrival.saw.is_some() && group == Group::default() => {
                arrival.accepts(*evidence)
            }
            State::Loading(evidence, _) => *other == group && arrival.accepts(*evidence),
            // That it cannot ask the store is no reason to take what had ended when it came.
            State::Landed(evidence, _) => *other == group && Arrival { blind: false, ..arrival }.accepts(*evidence),
        };
        if let Some((_, flight)) = flights.iter().find(joins) {
            return Enter::Wait(flight.seat());
        }
        Enter::Lead(self.lead(flights, key, group))
    }

    /// Leads a new flight of a key that nobody in this process loads.
    pub(crate) fn lead_alone(self: &Arc<Self>, key: &Arc<str>) -> Option<Lead> {
        let mut shard = self.flights.lock(key);
        let flights = shard.entry(Arc::clone(key)).or_default();
        flights.is_empty().then(|| self.lead(flights, key, Group::default()))
    }

    /// Leads a new flight, whatever is under way.
    pub(crate) fn replace(self: &Arc<Self>, key: &Arc<str>) -> Lead {
        let mut shard = self.flights.lock(key);
        self.lead(shard.entry(Arc::clone(key)).or_default(), key, Group::default())
    }

    fn lead(self: &Arc<Self>, flights: &mut Vec<(Group, Arc<Flight>)>, key: &Arc<str>, group: Group) -> Lead {
        let flight = Arc::new(Flight { state: watch::channel(State::Entering).0, joined: AtomicU32::new(0) });
        flights.retain(|(other, _)| *other != group);
        flights.push((group, Arc::clone(&flight)));
        Lead { flights: Arc::clone(self), key: Arc::clone(key), flight }
    }

    /// Ends the flights of an invalidated key: who arrives from now on does not join them.
    pub(crate) fn end(&self, key: &str) {
        self.flights.lock(key).remove(key);
    }

    fn remove(&self, key: &str, flight: &Arc<Flight>) {
        let mut shard = self.flights.lock(key);
        let Some(flights) = shard.get_mut(key) else { return };
        flights.retain(|(_, other)| !Arc::ptr_eq(other, flight));
        if flights.is_empty() {
            shard.remove(key);
        }
    }
}

impl Flight {
    fn seat(self: &Arc<Self>) -> Seat {
        let place = self.joined.fetch_add(1, Ordering::Relaxed);
        Seat { state: self.state.subscribe(), place }
    }
}

/// The leader's hold on its flight. Dropped before it landed, it abandons the flight and wakes who waits.
#[derive(Debug)]
pub(crate) struct Lead {
    flights: Arc<SingleFlight>,
    key: Arc<str>,
    flight: Arc<Flight>,
}

impl Lead {
    /// The function starts, under this lease if there is one.
    pub(crate) fn loading(&self, lease: Option<Token>) -> Evidence {
        let evidence = Evidence { since: self.flights.next(), lease };
        self.flight.state.send_replace(State::Loading(evidence, clock::now()));
        evidence
    }

    /// Acts, unless an invalidation ended the flight; it ends none while this acts.
    pub(crate) fn unless_ended(&self, act: impl FnOnce()) {
        let shard = self.flights.flights.lock(&self.key);
        let flights = shard.get(&self.key);
        if flights.is_some_and(|flights| flights.iter().any(|(_, other)| Arc::ptr_eq(other, &self.flight))) {
            act();
        }
    }

    /// Whether anybody waits. Closes the flight first, so that the answer stays true.
    pub(crate) fn closed_with_company(&self) -> bool {
        self.flights.remove(&self.key, &self.flight);
        self.flight.joined.load(Ordering::Relaxed) > 0
    }

    /// Gives everybody who waits the landing. Who comes until the lead is dropped gets it too.
    pub(crate) fn land(&self, evidence: Evidence, landing: Landing) {
        self.flight.state.send_replace(State::Landed(evidence, landing));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.remove(&self.key, &self.flight);
        self.flight.state.send_if_modified(|state| {
            let abandoned = !matches!(state, State::Landed(..));
            if abandoned {
                let evidence = Evidence { since: self.flights.next(), lease: None };
                // A function that panics has failed: its company does not try it one after the other.
                let landing = if std::thread::panicking() { Landing::Failed(None) } else { Landing::Abandoned };
                *state = State::Landed(evidence, landing);
            }
            abandoned
        });
    }
}

/// A waiting caller's hold on a flight.
#[derive(Debug)]
pub(crate) struct Seat {
    state: watch::Receiver<State>,
    /// How many joined before.
    pub(crate) place: u32,
}

impl Seat {
    /// Waits for the landing; `None` when the patience for this flight is over.
    pub(crate) async fn landing(&mut self, patience: Patience) -> Option<(Evidence, Landing)> {
        loop {
            let until = match &*self.state.borrow_and_update() {
                State::Landed(evidence, landing) => return Some((*evidence, landing.clone())),
                State::Loading(_, started) => patience.since.max(*started) + patience.limit,
                State::Entering => patience.since + patience.limit + patience.leader,
            };
            if tokio::time::timeout_at(until.min(patience.end()), self.state.changed()).await.is_err() {
                return None;
            }
        }
    }
}

/// How long a caller waits for others.
///
/// For one run no longer than the limit, which counts from the caller's arrival, and again from the start of the run:
/// that may come after a long wait of the leader for another process. The leader keeps the limit itself, so while it
/// looks for a lease its company gives it the time for its last look: else they would all leave just before it.
/// For all runs together no longer than twice the limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) since: Instant,
    pub(crate) leader: Duration,
}

impl Patience {
    fn end(&self) -> Instant {
        self.since + self.limit * 2 + self.leader
    }

    /// Whether the caller has waited long enough for everybody.
    pub(crate) fn is_over(&self) -> bool {
        clock::now() >= self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "k";
    const LEASE: Token = Token([7; 8]);

    fn arrival(flights: &SingleFlight) -> Arrival {
        Arrival { at: flights.now(), saw: None, blind: false }
    }

    fn enter(flights: &Arc<SingleFlight>, arrival: Arrival) -> Enter {
        flights.enter(&KEY.into(), Group::default(), arrival)
    }

    fn lead(flights: &Arc<SingleFlight>) -> Lead {
        match enter(flights, arrival(flights)) {
            Enter::Lead(lead) => lead,
            Enter::Wait(_) => panic!("somebody else leads"),
        }
    }

    #[test]
    fn who_arrives_before_the_function_starts_joins() {
        let flights = Arc::new(SingleFlight::new());
        let early = arrival(&flights);
        let lead = lead(&flights);
        assert!(matches!(enter(&flights, early), Enter::Wait(_)), "while the leader looks for a lease");
        lead.loading(Some(LEASE));
        assert!(matches!(enter(&flights, early), Enter::Wait(_)), "and once it loads");
    }

    #[test]
    fn who_arrives_later_joins_only_with_proof_that_the_lease_was_still_there() {
        let flights = Arc::new(SingleFlight::new());
        let lead = lead(&flights);
        lead.loading(Some(LEASE));
        let late = arrival(&flights);
        let proven = Arrival { saw: Some(LEASE), ..late };
        let disproven = Arrival { saw: Some(Token([8; 8])), ..late };
        assert!(matches!(enter(&flights, proven), Enter::Wait(_)));
        assert!(matches!(enter(&flights, Arrival { blind: true, ..late }), Enter::Wait(_)));
        assert!(matches!(enter(&flights, disproven), Enter::Lead(_)));
    }

    #[test]
    fn who_cannot_ask_the_store_joins_what_runs_and_not_what_has_landed() {
        let flights = Arc::new(SingleFlight::new());
        let lead = lead(&flights);
        let evidence = lead.loading(Some(LEASE));
        let blind = Arrival { blind: true, ..arrival(&flights) };
        assert!(matches!(enter(&flights, blind), Enter::Wait(_)));
        lead.land(evidence, Landing::None);
        assert!(matches!(enter(&flights, blind), Enter::Lead(_)));
    }

    #[test]
    fn an_ended_flight_is_not_joined_and_does_not_end_its_successor() {
        let flights = Arc::new(SingleFlight::new());
        let early = arrival(&flights);
        let old = lead(&flights);
        flights.end(KEY);
        let new = match enter(&flights, early) {
            Enter::Lead(lead) => lead,
            Enter::Wait(_) => panic!("the invalidated flight was joined"),
        };
        drop(old);
        assert!(matches!(enter(&flights, early), Enter::Wait(_)), "the new flight is still there");
        drop(new);
        assert!(flights.flights.lock(KEY).is_empty(), "nothing is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_leader_wakes_who_waits_and_a_silent_one_is_left_after_the_limit() {
        let flights = Arc::new(SingleFlight::new());
        let early = arrival(&flights);
        let dropped = lead(&flights);
        let Enter::Wait(mut seat) = enter(&flights, early) else { panic!("joins") };
        drop(dropped);
        let patience = || Patience { limit: Duration::from_secs(1), since: clock::now(), leader: Duration::ZERO };
        assert!(matches!(seat.landing(patience()).await, Some((_, Landing::Abandoned))));

        let silent = lead(&flights);
        let Enter::Wait(mut seat) = enter(&flights, early) else { panic!("joins") };
        let waiting = patience();
        silent.loading(None);
        assert!(seat.landing(waiting).await.is_none());
        assert_eq!((clock::now() - waiting.since).as_secs(), 1);
        assert!(!waiting.is_over(), "for another run it may wait as long again");
    }

    #[test]
    fn failures_widen_the_groups_and_one_of_them_takes_the_lease() {
        let mut groups = vec![Group::default()];
        for round in 1..=3 {
            groups = groups.iter().flat_map(|group| [group.widened(0), group.widened(1)]).collect();
            let mut indexes: Vec<_> = groups.iter().map(|group| group.index).collect();
            indexes.sort_unstable();
            assert_eq!(indexes, (0..1 << round).collect::<Vec<_>>());
            assert_eq!(groups.iter().filter(|group| group.takes_lease()).count(), 1);
        }
    }
}

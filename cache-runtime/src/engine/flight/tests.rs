use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;

use super::*;
use crate::clock;
use crate::entry::Token;

const KEY: &str = "k";
const LEASE: Token = Token([7; 8]);
const DEADLINE: Duration = Duration::from_millis(250);
const LIMIT: Duration = Duration::from_secs(5);

fn registry() -> Arc<SingleFlight> {
    Arc::new(SingleFlight::new(DEADLINE))
}

fn arrival(flights: &SingleFlight) -> Arrival {
    Arrival { at: flights.now(), saw: None, reach: Reach::Asks }
}

fn patience(flights: &SingleFlight) -> Patience {
    Patience { limit: LIMIT, since: clock::now(), lateness: flights.lateness() }
}

fn caller(flights: &SingleFlight) -> Caller {
    Caller { group: Group::default(), arrival: arrival(flights), patience: patience(flights) }
}

fn enter(flights: &Arc<SingleFlight>, arrival: Arrival) -> Enter {
    flights.enter(&KEY.into(), Caller { arrival, ..caller(flights) })
}

fn leads(enter: Enter) -> Lead {
    match enter {
        Enter::Lead(lead) => lead,
        Enter::Wait(_) => panic!("it joined a flight"),
    }
}

fn waits(enter: Enter) -> Seat {
    match enter {
        Enter::Wait(seat) => seat,
        Enter::Lead(_) => panic!("it leads a flight"),
    }
}

fn lead(flights: &Arc<SingleFlight>) -> Lead {
    leads(enter(flights, arrival(flights)))
}

fn value(byte: u8) -> Landing {
    Landing::Value(Bytes::copy_from_slice(&[byte]))
}

/// What a waiting caller would take now.
fn taken(seat: &mut Seat, arrival: Arrival, patience: Patience) -> Option<u8> {
    match seat.landing(arrival, patience).now_or_never()? {
        Waited::Landed(_, Landing::Value(bytes)) => Some(bytes[0]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn callers_that_arrive_before_the_function_starts_join_its_flight() {
    let flights = registry();
    let early = arrival(&flights);
    let lead = lead(&flights);
    waits(enter(&flights, early));
    lead.loading(Some(LEASE));
    waits(enter(&flights, early));
}

#[test]
fn callers_that_arrive_later_join_only_with_proof_that_the_lease_was_still_there() {
    let flights = registry();
    let lead = lead(&flights);
    lead.loading(Some(LEASE));
    let late = arrival(&flights);
    waits(enter(&flights, Arrival { saw: Some(LEASE), ..late }));
    waits(enter(&flights, Arrival { reach: Reach::ShutOut, ..late }));
    drop(leads(enter(&flights, Arrival { reach: Reach::Failed, ..late })));
    leads(enter(&flights, Arrival { saw: Some(Token([8; 8])), ..late }));
}

#[test]
fn callers_that_the_breaker_shuts_out_join_what_runs_and_not_what_has_landed() {
    let flights = registry();
    let lead = lead(&flights);
    let evidence = lead.loading(Some(LEASE));
    let shut_out = Arrival { reach: Reach::ShutOut, ..arrival(&flights) };
    waits(enter(&flights, shut_out));
    lead.land(evidence, Landing::None);
    leads(enter(&flights, shut_out));
}

#[test]
fn an_ended_flight_is_not_joined_and_does_not_end_its_successor() {
    let flights = registry();
    let early = arrival(&flights);
    let old = lead(&flights);
    flights.end(KEY);
    let new = leads(enter(&flights, early));
    drop(old);
    waits(enter(&flights, early));
    drop(new);
    assert!(flights.is_empty(KEY), "nothing is left behind");
}

#[test]
fn a_flight_whose_value_nobody_waits_for_is_not_joined_any_more() {
    let flights = registry();
    let early = arrival(&flights);
    let lead = lead(&flights);
    lead.loading(None);
    assert!(!lead.closed_with_company());
    leads(enter(&flights, early));
}

#[test]
fn a_run_that_a_newer_flight_superseded_is_still_joined_with_proof() {
    let flights = registry();
    let old = lead(&flights);
    old.loading(Some(LEASE));
    let _new = lead(&flights);
    let mut seat = waits(enter(&flights, Arrival { saw: Some(LEASE), ..arrival(&flights) }));
    let evidence = old.loading(Some(LEASE));
    old.land(evidence, value(1));
    assert_eq!(taken(&mut seat, arrival(&flights), patience(&flights)), Some(1));
    old.unless_ended(|| panic!("the newer flight has what is to be kept"));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_leader_wakes_the_waiting_callers() {
    let flights = registry();
    let early = arrival(&flights);
    let dropped = lead(&flights);
    let mut seat = waits(enter(&flights, early));
    drop(dropped);
    let waited = seat.landing(early, patience(&flights)).await;
    assert!(matches!(waited, Waited::Landed(_, Landing::Abandoned)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_end_is_left_at_the_limit_which_counts_from_its_start() {
    let flights = registry();
    let early = caller(&flights);
    let lead = lead(&flights);
    let mut seat = waits(flights.enter(&KEY.into(), early));
    tokio::time::sleep(DEADLINE).await;
    lead.loading(None);
    let waited = seat.landing(early.arrival, early.patience).await;
    assert!(matches!(waited, Waited::Limit), "{waited:?}");
    assert_eq!(clock::now() - early.patience.since, DEADLINE + LIMIT);
}

#[tokio::test(start_paused = true)]
async fn callers_that_have_left_a_run_take_what_it_lands_after_all() {
    let flights = registry();
    let early = caller(&flights);
    let hangs = lead(&flights);
    let evidence = hangs.loading(None);
    let seats: Vec<_> = (0..2).map(|_| waits(flights.enter(&KEY.into(), early))).collect();
    tokio::time::sleep(LIMIT).await;

    let again: Vec<_> = seats.iter().map(|seat| Caller { group: seat.widened(), ..early }).collect();
    let runs: Vec<_> = again.iter().map(|caller| leads(flights.enter(&KEY.into(), *caller))).collect();
    for run in &runs {
        run.loading(None);
    }
    let mut seat = waits(flights.enter(&KEY.into(), again[0]));
    let late = arrival(&flights);
    let mut unproven = waits(flights.enter(&KEY.into(), Caller { arrival: early.arrival, ..again[1] }));
    assert!(hangs.closed_with_company(), "they wait for other runs, and take this one's value");
    hangs.land(evidence, value(1));
    assert_eq!(taken(&mut seat, early.arrival, early.patience), Some(1));
    assert_eq!(taken(&mut unproven, late, early.patience), None, "a caller that came after that run began does not");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_waited_for_up_to_the_limit_sends_its_callers_into_wider_groups() {
    let flights = registry();
    let early = caller(&flights);
    let hangs = lead(&flights);
    hangs.loading(None);
    tokio::time::sleep(LIMIT).await;
    let mut runs = Vec::new();
    for _ in 0..10 {
        match flights.enter(&KEY.into(), early) {
            Enter::Lead(run) => runs.push(run),
            Enter::Wait(_) => {}
        }
    }
    assert_eq!(runs.len(), 2, "ten callers are two runs");
    assert_ne!(runs[0].group(), runs[1].group());
    waits(flights.enter(&KEY.into(), Caller { patience: patience(&flights), ..early }));
}

#[tokio::test(start_paused = true)]
async fn an_overdue_leader_is_passed_and_its_waiting_callers_leave_it() {
    let flights = registry();
    let early = caller(&flights);
    let stuck = lead(&flights);
    stuck.asks(LEASE);
    let mut seat = waits(flights.enter(&KEY.into(), early));
    let waited = seat.landing(early.arrival, early.patience).await;
    assert!(matches!(waited, Waited::Overdue), "{waited:?}");
    assert_eq!(clock::now() - early.patience.since, flights.lateness());
    let next = leads(flights.enter(&KEY.into(), early));
    assert!(next.passes(LEASE) && !next.passes(Token([8; 8])));
    waits(flights.enter(&KEY.into(), early));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_makes_progress_is_not_overdue() {
    let flights = registry();
    let early = caller(&flights);
    let follows = lead(&flights);
    let mut seat = waits(flights.enter(&KEY.into(), early));
    let (waited, ()) = tokio::join!(seat.landing(early.arrival, early.patience), async {
        for _ in 0..4 {
            follows.progresses(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let evidence = follows.loading(None);
        follows.land(evidence, Landing::None);
    });
    assert!(matches!(waited, Waited::Landed(_, Landing::None)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flight_is_led_alone_unless_another_one_makes_progress() {
    let flights = registry();
    let alone = || flights.lead_alone(&KEY.into(), LIMIT);
    let stuck = alone().expect("there is no flight");
    assert!(alone().is_none());
    tokio::time::sleep(flights.lateness()).await;
    let loads = alone().expect("the leader is overdue");
    loads.loading(None);
    drop(stuck);
    assert!(alone().is_none());
    tokio::time::sleep(LIMIT).await;
    assert!(alone().is_some(), "its function does not end");
}

#[tokio::test(start_paused = true)]
async fn the_next_run_starts_when_the_run_under_way_is_over() {
    let flights = registry();
    let first = lead(&flights);
    let evidence = first.loading(None);
    let late = Caller { arrival: Arrival { reach: Reach::Failed, ..arrival(&flights) }, ..caller(&flights) };
    let next = leads(flights.enter(&KEY.into(), late));
    let until = clock::now() + LIMIT;
    let mut turn = Box::pin(next.comes_next(until));
    assert!(turn.as_mut().now_or_never().is_none());
    waits(flights.enter(&KEY.into(), Caller { arrival: arrival(&flights), ..late }));
    first.land(evidence, Landing::None);
    assert_eq!(turn.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_end_holds_the_next_one_up_to_the_limit() {
    let flights = registry();
    let first = lead(&flights);
    first.loading(None);
    let next = lead(&flights);
    let until = clock::now() + LIMIT;
    assert_eq!(next.comes_next(until).await, Err(Limit));
    assert_eq!(clock::now(), until);
}

#[tokio::test(start_paused = true)]
async fn a_queued_leader_that_does_not_start_when_it_could_is_passed() {
    let flights = registry();
    let first = lead(&flights);
    let evidence = first.loading(None);
    let queued = lead(&flights);
    assert!(queued.comes_next(clock::now() + LIMIT).now_or_never().is_none());
    let late = caller(&flights);
    let mut seat = waits(flights.enter(&KEY.into(), late));
    let (waited, over) = tokio::join!(seat.landing(late.arrival, late.patience), async {
        tokio::time::sleep(flights.lateness() * 2).await;
        first.land(evidence, Landing::None);
        clock::now()
    });
    assert!(matches!(waited, Waited::Overdue), "{waited:?}");
    assert_eq!(clock::now() - over, flights.lateness());
    leads(flights.enter(&KEY.into(), late));
}

#[test]
fn failures_widen_the_groups_and_one_of_them_takes_the_lease() {
    let mut groups = vec![Group::default()];
    for round in 1..=3 {
        groups = groups.iter().flat_map(|group| [group.widened(0), group.widened(1)]).collect();
        let distinct: std::collections::HashSet<_> = groups.iter().collect();
        assert_eq!(distinct.len(), 1 << round);
        assert_eq!(groups.iter().filter(|group| group.takes_lease()).count(), 1);
    }
    let last = (0..100).fold(Group::default(), |group, _| group.widened(1));
    assert_eq!(last.widened(1), last, "no more than 1,024 groups");
}

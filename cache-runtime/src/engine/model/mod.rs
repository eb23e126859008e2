//! Sharing runs in a process, in every order in which its steps can come: callers on the real flights, while this
//! process and others write, invalidate and fill the key, entries expire, and callers go away.
//!
//! Two properties: no caller gets a version older than one whose invalidation had finished before it arrived; and a caller
//! that the store refuses a lease, or does not answer, runs its function beside no other run of the process.

mod actor;
mod place;
mod world;

use self::actor::Role::{
    self, Caller, Elsewhere, Expiry, Failing, Fill, FillThatAsksTwice, Invalidation, Refresher, Refused, ShutOut, Stuck,
};
use self::world::{Play, Rule};
use crate::explore::{Found, explore};

fn run(rule: Rule, cast: &[Role]) -> Found {
    explore(Play::new(rule, cast))
}

/// Looks at every way that these take, and asserts that there are many.
#[track_caller]
fn holds(cast: &[Role]) {
    let states = run(Rule::Strict, cast).nothing();
    println!("{states} states");
    assert!(states >= 200, "{states} states are not all");
}

/// How the first property is broken under this rule.
#[track_caller]
fn is_found_out(rule: Rule, cast: &[Role]) {
    breaks(rule, cast, "was invalidated before it began");
}

#[track_caller]
fn breaks(rule: Rule, cast: &[Role], what: &str) {
    let found = run(rule, cast).counterexample();
    assert!(found.broken().contains(what), "{found}");
}

// Virtual time, for the patience of who waits: it never passes.

#[tokio::test(start_paused = true)]
async fn three_callers_never_get_what_another_process_invalidated() {
    holds(&[Caller, Caller, Caller, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn nor_what_their_own_process_invalidated() {
    holds(&[Caller, Caller, Caller, Invalidation]);
}

#[tokio::test(start_paused = true)]
async fn nor_what_another_process_filled_before() {
    holds(&[Caller, Caller, Fill, Expiry, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn nor_under_two_invalidations_while_entries_expire() {
    holds(&[Caller, Caller, Expiry, Elsewhere, Invalidation]);
}

#[tokio::test(start_paused = true)]
async fn nor_beside_a_refresh() {
    holds(&[Caller, Caller, Refresher, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_the_breaker_shuts_out_never_get_what_their_own_process_invalidated() {
    holds(&[ShutOut, ShutOut, ShutOut, Invalidation]);
}

#[tokio::test(start_paused = true)]
async fn nor_beside_a_run_that_a_refresh_superseded() {
    holds(&[ShutOut, ShutOut, Refresher, Invalidation]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_refused_a_lease_run_one_at_a_time_and_never_get_what_another_process_invalidated() {
    holds(&[Refused, Refused, Refused, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn nor_do_callers_that_are_refused_one_while_others_have_one() {
    holds(&[Caller, Refused, Refused, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn callers_whose_looks_fail_run_one_at_a_time_and_never_get_what_another_process_invalidated() {
    holds(&[Failing, Failing, Failing, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn nor_do_callers_whose_looks_fail_while_others_are_answered() {
    holds(&[Caller, Failing, Refused, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn nor_under_an_invalidation_of_their_own_process() {
    holds(&[Failing, Refused, Refused, Invalidation]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_pass_a_leader_that_is_not_polled_never_get_what_was_invalidated() {
    holds(&[Stuck, Caller, Elsewhere]);
    holds(&[Stuck, Caller, Elsewhere, Expiry]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_start_although_another_run_is_under_way_are_found_out() {
    breaks(Rule::NoQueue, &[Refused, Refused], "beside another run");
    breaks(Rule::NoQueue, &[Failing, Failing], "beside another run");
}

#[tokio::test(start_paused = true)]
async fn callers_that_share_a_run_under_way_because_their_looks_fail_are_found_out() {
    is_found_out(Rule::Strict, &[ShutOut, ShutOut, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_accepts_every_flight_is_found_out() {
    is_found_out(Rule::AnyFlight, &[Caller, Caller, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_take_the_landing_of_every_flight_they_joined_are_found_out() {
    is_found_out(Rule::AnyLanding, &[Caller, Caller, Fill, Elsewhere]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_find_counts_from_the_answer_on_is_found_out() {
    is_found_out(Rule::SinceTheAnswer, &[Caller, Caller, Fill, Elsewhere]);
}

/// Why a store must not ask for a lease twice under one token: that the token is there does not prove any more that it
/// has been there all the time.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_asked_for_again_after_an_invalidation_is_found_out() {
    is_found_out(Rule::Strict, &[Caller, Caller, FillThatAsksTwice, Elsewhere]);
}

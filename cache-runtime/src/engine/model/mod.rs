//! Sharing runs in a process, in every order in which its steps can come: callers on the real flights, while this
//! process and others write, invalidate and fill the key, entries expire, and callers go away.
//!
//! One property: no caller gets a version older than one whose invalidation had finished before it arrived.

mod actor;
mod place;
mod world;

use self::actor::Role::{self, Blind, Caller, Elsewhere, Expiry, Fill, FillThatAsksTwice, Invalidation, Refresher};
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

/// How the property is broken under this rule.
#[track_caller]
fn is_found_out(rule: Rule, cast: &[Role]) {
    let found = run(rule, cast).counterexample();
    assert!(found.broken().contains("was invalidated before it began"), "{found}");
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
async fn callers_that_cannot_ask_the_store_never_get_what_their_own_process_invalidated() {
    holds(&[Blind, Blind, Blind, Invalidation]);
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

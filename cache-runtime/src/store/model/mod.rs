//! The lease protocol, in every order in which its steps can come: fills, refreshes, invalidations and readers of one
//! key over the functions that stores apply, while leases expire, entries are evicted or grow stale, and holders are
//! killed at any point. [`writers`] adds writers, and commands that are late, repeated or not answered.
//!
//! In every state: a read that begins now does not return what an invalidation that has finished forbids; nobody
//! commits but the holder of the lease that stands; nobody takes, or gives back, what another holds; who has ended
//! leaves no lease. An old value at the key is a broken property at once, so no end state has one.

mod actor;
mod world;
mod writer;
mod writers;

use self::actor::Role::{self, Fill, Invalidation, Reader, Refresh};
use self::world::{Rules, Watch, World};
use super::{Admission, Begun, Change, LeaseRequest, Withdrawal, admit, begin, commits, end, withdraw};
use crate::entry::{Flags, Header};
use crate::explore::{Found, explore};

const FILL: Role = Fill { codec: 1 };
const FOREIGN_FILL: Role = Fill { codec: 2 };

const RULES: Rules = Rules {
    admit,
    commits,
    withdraw,
    begin: |current, left, request| {
        let Begun { generation, entry, expiry } = begin(current, left, request).expect("nothing at the key is foreign");
        (generation, Change::Write(entry, expiry))
    },
    end,
    begins_are_sent_again: false,
};

fn run(rules: Rules, watch: Watch, cast: &[Role]) -> Found {
    explore(World::new(rules, watch, 0, cast))
}

/// Whether everything holds, and in how many states.
fn states(cast: &[Role]) -> usize {
    let states = run(RULES, Watch::Everything, cast).nothing();
    println!("{states} states");
    states
}

/// How a broken rule shows.
fn shows(rules: Rules, watch: Watch, cast: &[Role]) -> String {
    run(rules, watch, cast).counterexample().broken().to_owned()
}

#[test]
fn two_fills_a_refresh_and_a_reader_never_leave_or_return_what_was_invalidated() {
    assert!(states(&[FILL, FILL, Refresh, Invalidation, Reader]) > 10_000);
}

#[test]
fn nor_do_fills_of_two_codecs_that_displace_each_other_under_two_invalidations() {
    assert!(states(&[FILL, FOREIGN_FILL, Invalidation, Invalidation]) > 1_000);
}

#[test]
fn nor_do_two_refreshes_of_a_value_that_grows_stale() {
    assert!(states(&[FILL, Refresh, Refresh, Invalidation]) > 1_000);
}

#[test]
fn a_commit_that_does_not_look_for_its_lease_is_found_out_and_ends_in_an_old_value() {
    let careless = Rules { commits: |_, _| true, ..RULES };
    let cast = &[FILL, FILL, Invalidation];
    assert!(shows(careless, Watch::Everything, cast).contains("commits without holding the lease"));
    assert!(shows(careless, Watch::OldValues, cast).contains("returns 0, though 1 was invalidated"));
}

#[test]
fn a_commit_that_takes_any_lease_for_its_own_is_found_out_and_ends_in_an_old_value() {
    let any = |current: Option<&[u8]>, _| {
        current.and_then(Header::decode).is_some_and(|header| header.flags.has(Flags::LEASED))
    };
    let careless = Rules { commits: any, ..RULES };
    assert!(shows(careless, Watch::OldValues, &[FILL, FILL, Invalidation]).contains("though 1 was invalidated"));
}

#[test]
fn a_release_that_removes_whatever_is_there_is_found_out() {
    let careless = Rules { withdraw: |_, _, _| Withdrawal::Remove, ..RULES };
    assert!(shows(careless, Watch::Everything, &[FILL, FILL]).contains("gives back what it does not hold"));
}

#[test]
fn a_release_that_removes_nothing_is_found_out() {
    let careless = Rules { withdraw: |_, _, _| Withdrawal::Leave, ..RULES };
    assert!(shows(careless, Watch::Everything, &[FILL]).contains("has ended"));
}

#[test]
fn a_lease_that_displaces_another_one_is_found_out() {
    let grant: fn(Option<&[u8]>, _, &LeaseRequest) -> Admission = |_, _, request| admit(None, None, request);
    let careless = Rules { admit: grant, ..RULES };
    assert!(shows(careless, Watch::Everything, &[FILL, FILL]).contains("takes the lease of"));
}

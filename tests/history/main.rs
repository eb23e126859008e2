//! Invalidation wins, checked on histories: several processes read, write and invalidate the same few keys through a
//! real Redis while processes are killed and paused, connections are cut and entries are evicted. Every operation is
//! written down with its start and its end, and no read may have returned a version older than one whose invalidation
//! had finished before the read began.
//!
//! The run of every day takes less than a minute. A long one, of as many seconds as you like, in phases of a new seed
//! each:
//!
//! ```console
//! HISTORY_SECONDS=3600 tests/run -E 'binary(history)'
//! ```
//!
//! What the processes do is in `tests/historian`; a cached function more to check is a line more in its `variants`.

mod crew;
mod drive;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use support::{Kind, Operation, Violation, check, contended};

use crate::drive::{FAULTS, Fault, Run, run};

/// How long the run of every day takes.
const SECONDS: u64 = 45;

/// One phase: its history is checked at its end, and forgotten.
const PHASE: Duration = Duration::from_secs(15);

/// What was checked.
#[derive(Debug, Default)]
struct Tally {
    operations: BTreeMap<Kind, u64>,
    outcomes: BTreeMap<String, u64>,
    faults: BTreeMap<Fault, u32>,
    contended: u64,
    evicted: u64,
}

impl Tally {
    fn add(&mut self, run: &Run) {
        for Operation { kind, note, .. } in &run.history {
            *self.operations.entry(*kind).or_default() += 1;
            // `p1 waits hit`: what came of a call stands behind its process and its function.
            if let Some(outcome) = note.splitn(3, ' ').nth(2).filter(|_| *kind == Kind::Read) {
                *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
            }
        }
        for (fault, times) in &run.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
        self.contended += u64::try_from(contended(&run.history)).unwrap_or(u64::MAX);
        self.evicted += run.evicted;
    }
}

/// How often each thing must have happened in a second for the run to prove anything: a third of what a machine of two
/// slow cores does, and of what the driver deals out.
const READS: u64 = 300;
const CONTENDED: u64 = 30;

impl Tally {
    /// A run in which nothing happened proves nothing.
    fn assert_much_happened(&self, seconds: u64) {
        let operations = |kind| self.operations.get(&kind).copied().unwrap_or(0);
        let outcomes = |outcome| self.outcomes.get(outcome).copied().unwrap_or(0);
        assert!(operations(Kind::Read) >= READS * seconds, "few reads: {self:#?}");
        assert!(self.contended >= CONTENDED * seconds, "few reads while their key was invalidated: {self:#?}");
        for kind in [Kind::Load, Kind::Invalidate, Kind::Delete, Kind::Evict, Kind::Failed, Kind::Gone] {
            assert!(operations(kind) >= seconds, "hardly any {kind}: {self:#?}");
        }
        for outcome in ["hit", "miss stored", "miss", "coalesced", "waited", "refreshed stored", "refreshed"] {
            assert!(outcomes(outcome) >= seconds, "hardly any call was {outcome}: {self:#?}");
        }
        for fault in FAULTS {
            let times = self.faults.get(&fault).copied().unwrap_or(0);
            assert!(u64::from(times) >= seconds / 15, "hardly any {fault:?}: {self:#?}");
        }
        assert!(self.evicted >= seconds, "hardly anything was evicted: {self:#?}");
    }
}

fn shown(violations: &[Violation<'_>]) -> String {
    violations.iter().take(3).map(ToString::to_string).collect()
}

#[tokio::test]
async fn no_read_returns_what_was_invalidated_before_it_began() {
    let seconds = std::env::var("HISTORY_SECONDS").ok();
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().expect("HISTORY_SECONDS is a number"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut tally = Tally::default();
    while Instant::now() < until {
        let seed = fastrand::u64(..);
        let run = run("redis", seed, PHASE.min(until - Instant::now())).await;
        tally.add(&run);
        let violations = check(&run.history);
        assert!(violations.is_empty(), "{} violations, seed {seed}:\n{}", violations.len(), shown(&violations));
    }
    println!("{tally:#?}");
    tally.assert_much_happened(seconds);
}

/// The store of the next test, as it should be: what is caught there is what it leaves out, and nothing else.
#[tokio::test]
async fn nor_on_a_store_of_the_users_own() {
    let run = run("own", fastrand::u64(..), Duration::from_secs(5)).await;
    let violations = check(&run.history);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), shown(&violations));
}

#[tokio::test]
async fn a_store_that_commits_without_its_lease_is_caught() {
    let started = Instant::now();
    for seed in 0..10 {
        let run = run("careless", seed, Duration::from_secs(2)).await;
        let violations = check(&run.history);
        if !violations.is_empty() {
            println!(
                "{} violations in {:?}, such as\n{}",
                violations.len(),
                started.elapsed(),
                shown(&violations[..1])
            );
            return;
        }
    }
    panic!("ten runs on a store that checks nothing, and not one old value was read");
}

//! What must be true of every day, whatever befell it.

use std::collections::BTreeMap;
use std::time::Duration;

use support::{CALLER_BODIES, CALLER_DEADLINE, CALLER_LOCK_WAIT, Kind, Operation, Violation, check};

use crate::crew::by;
use crate::scene::{Day, Times, is_copy, is_degraded, is_hit};

/// How hard a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The cache is of no use while it lasts, and given up.
    Outage,
    /// It is of no use, and says so each time.
    Refusal,
    /// It is of no use for some keys, and given up for those.
    Part,
    /// Some calls have to do without it.
    Trouble,
    /// Calls may notice, and need not.
    Nuisance,
}

/// What a call may take besides the bodies that it runs or waits for. Its own steps have a deadline; it may wait for one
/// who asks the store in its stead, and has two; for another process, as long as its function says; and for the bodies of
/// other keys, which are few at once while the store is down.
const BUDGET: Duration = CALLER_DEADLINE.saturating_mul(3).saturating_add(CALLER_LOCK_WAIT).saturating_add(QUEUE);

/// How long all keys of a process take, a few at once.
const QUEUE: Duration = Duration::from_millis(300);

/// What a busy machine may add to that, for all calls but a few.
const MARGIN: Duration = Duration::from_secs(1);

/// One call in so many may be later than that: a machine that stands still for a moment makes them late by the dozen.
const LATE: usize = 50;

/// No call is later than this, and no machine so busy.
const MUCH_TOO_LATE: Duration = Duration::from_secs(10);

/// One body in so many may run beside another one of its key during an outage: the machine kept a waiter from its turn.
const BESIDE: usize = 50;

/// What the heap of a process may grow by, in bytes: ten times what maps and buffers do that grow to their size, and a
/// hundred for each call of the fault.
const GROWTH: usize = 64 * 1024;

/// The end of a body is noted so long before its callers have its value, at the most.
const LANDING: u64 = 5_000_000;

/// So long after the fault begins, and before it ends, calls may still, or again, be served.
const EDGE: u64 = 700_000_000;

/// Reads that must have happened in a second of the fault, for the day to prove anything.
const READS: u64 = 60;

impl Day {
    /// Judges a day; fails with what was wrong of it, and with what else happened.
    pub(crate) fn judge(&self, blow: Blow) {
        let faults = [
            self.much_happened(),
            self.no_error_reached_a_caller(),
            self.no_call_was_late(),
            self.no_old_value_was_read(),
            self.no_process_read_what_it_had_replaced(),
            self.bodies_ran_one_at_a_time(blow),
            self.few_bodies_ran_at_once(blow),
            self.it_was_a_blow(blow),
            self.it_recovered(),
            self.nothing_leaked(),
        ];
        let wrong: Vec<String> = faults.into_iter().filter_map(Result::err).collect();
        println!("{}", self.told());
        assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), self.told());
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Operation> {
        self.history.iter().filter(move |operation| operation.kind == kind)
    }

    fn much_happened(&self) -> Result<(), String> {
        let Times { begun, over, .. } = self.times;
        let reads = self.of(Kind::Read).filter(|read| read.start > begun && read.start < over).count();
        let expected = READS * (over - begun) / 1_000_000_000;
        right(reads as u64 >= expected, || format!("only {reads} reads during the fault"))
    }

    /// The origin never fails: an error is the cache's, or a value that is another key's.
    fn no_error_reached_a_caller(&self) -> Result<(), String> {
        let failed: Vec<&Operation> = self.of(Kind::Failed).collect();
        right(failed.is_empty(), || format!("{} calls failed, such as {}", failed.len(), failed[0]))
    }

    fn no_call_was_late(&self) -> Result<(), String> {
        let calls = |operation: &&Operation| !matches!(operation.kind, Kind::Load);
        let (mut calls_made, mut late) = (0, Vec::new());
        for call in self.history.iter().filter(calls).filter(|call| call.end > self.times.begun) {
            calls_made += 1;
            let lateness = self.lateness(call);
            if lateness > BUDGET + MARGIN {
                late.push((lateness, call));
            }
        }
        late.sort_by_key(|(lateness, _)| *lateness);
        let Some((longest, call)) = late.last() else { return Ok(()) };
        right(late.len() * LATE <= calls_made && *longest < MUCH_TOO_LATE, || {
            format!("{} of {calls_made} calls were late, such as by {longest:?}: {call}", late.len())
        })
    }

    /// The time of a call in which no body of its key ran that it may have waited for.
    fn lateness(&self, call: &Operation) -> Duration {
        let own = |load: &&Operation| load.key == call.key && (by(load) == by(call) || call.key.contains("locked"));
        let mut bodies: Vec<(u64, u64)> = self
            .of(Kind::Load)
            .filter(|load| load.start < call.end && load.end > call.start)
            .filter(own)
            .map(|load| (load.start.max(call.start), load.end.min(call.end)))
            .collect();
        bodies.sort_unstable();
        let (mut waited, mut until) = (0, call.start);
        for (start, end) in bodies {
            waited += end.saturating_sub(start.max(until));
            until = until.max(end);
        }
        Duration::from_nanos((call.end - call.start).saturating_sub(waited))
    }

    /// No read returned what had been invalidated before it began; with the one exception that is documented: callers
    /// who cannot ask the store share a body of their own process, which may have begun before the invalidation of
    /// another one.
    fn no_old_value_was_read(&self) -> Result<(), String> {
        let mut violations = check(&self.history);
        violations.retain(|violation| !self.shared_a_body(violation.read) && !is_copy(violation.read));
        right(violations.is_empty(), || format!("{} old values were read:\n{}", violations.len(), shown(&violations)))
    }

    /// Who was told that an invalidation failed, and the rest of that process, does not see the old value again all the
    /// same: the process owes the invalidation, and trusts the key no more.
    fn no_process_read_what_it_had_replaced(&self) -> Result<(), String> {
        let mut processes = BTreeMap::<_, Vec<Operation>>::new();
        for operation in &self.history {
            let mut operation = operation.clone();
            if operation.kind == Kind::Unconfirmed {
                operation.kind = Kind::Invalidate;
            }
            processes.entry(by(&operation).to_owned()).or_default().push(operation);
        }
        for (process, own) in &processes {
            let violations = check(own);
            right(violations.is_empty(), || {
                format!("{process} read {} values that it had replaced:\n{}", violations.len(), shown(&violations))
            })?;
        }
        Ok(())
    }

    /// Whether a read of the time of the fault got its version from a body of its process that ran when it began.
    fn shared_a_body(&self, read: &Operation) -> bool {
        let Times { begun, recovered, .. } = self.times;
        let ran = |load: &Operation| load.start < read.start && load.end + LANDING > read.start;
        read.end > begun
            && read.start < recovered
            && read.note.ends_with("coalesced")
            && self
                .of(Kind::Load)
                .any(|load| load.key == read.key && load.version == read.version && by(load) == by(read) && ran(load))
    }

    /// Without a cache too, the callers of a process are one run for each key. Looked at are keys that nobody
    /// invalidates, since an invalidation is a reason to run beside a run.
    fn bodies_ran_one_at_a_time(&self, blow: Blow) -> Result<(), String> {
        let mut runs = BTreeMap::<_, Vec<&Operation>>::new();
        for load in self.of(Kind::Load).filter(|load| blow == Blow::Outage && self.is_amid(load)) {
            if load.key.ends_with("-0") {
                runs.entry((by(load), &*load.key)).or_default().push(load);
            }
        }
        let (mut all, mut beside) = (0, 0);
        for runs in runs.values_mut() {
            runs.sort_by_key(|run| run.start);
            all += runs.len();
            beside += runs.windows(2).filter(|pair| pair[1].start < pair[0].end).count();
        }
        right(beside * BESIDE <= all, || format!("{beside} of {all} bodies ran beside another one of their key"))
    }

    /// The bound of bodies at once is one, for the whole process. Looked at are functions whose callers wait for their turn
    /// longer than any machine makes them; the others run all the same once they have waited as long as for a lock.
    fn few_bodies_ran_at_once(&self, blow: Blow) -> Result<(), String> {
        let mut ends = BTreeMap::<_, Vec<(u64, bool)>>::new();
        for load in self.of(Kind::Load).filter(|load| blow == Blow::Outage && self.is_amid(load)) {
            if load.key.contains("locked") {
                continue;
            }
            ends.entry(by(load)).or_default().extend([(load.start, true), (load.end, false)]);
        }
        let mut most = 0;
        for ends in ends.values_mut() {
            ends.sort_unstable();
            let mut running: usize = 0;
            for (_, begins) in ends {
                running = if *begins { running + 1 } else { running - 1 };
                most = most.max(running);
            }
        }
        right(most <= CALLER_BODIES, || format!("{most} bodies at once"))
    }

    fn is_amid(&self, operation: &Operation) -> bool {
        operation.start > self.times.begun + EDGE && operation.start + EDGE < self.times.over
    }

    /// The fault did what it is there for.
    fn it_was_a_blow(&self, blow: Blow) -> Result<(), String> {
        let reads = || self.of(Kind::Read).filter(|read| self.is_amid(read));
        let (all, hits) = (reads().count(), reads().filter(|read| is_hit(read)).count());
        let degraded = reads().filter(|read| is_degraded(read)).count();
        let down = reads().filter(|read| read.note.contains(" down ")).count();
        let parted = reads().filter(|read| read.note.contains(" parted ")).count();
        let struck = match blow {
            Blow::Outage => degraded > 0 && hits * 50 <= all && down * 2 > all,
            Blow::Refusal => degraded > 0 && hits * 50 <= all,
            Blow::Part => degraded > 0 && hits * 4 > all && parted * 2 > all,
            Blow::Trouble => degraded > 0,
            Blow::Nuisance => hits * 4 > all,
        };
        right(struck, || {
            format!(
                "as {blow:?}: {hits} hits, {degraded} without the cache, {down} of them all while it is down, of {all}"
            )
        })
    }

    /// What all processes noticed lasts: hardly a call does without the cache again.
    fn it_recovered(&self) -> Result<(), String> {
        let reads = || self.of(Kind::Read).filter(|read| read.start > self.times.recovered);
        let (all, degraded) = (reads().count(), reads().filter(|read| is_degraded(read)).count());
        right(all > 0 && degraded * 10 <= all, || format!("{degraded} of {all} reads after it did without the cache"))
    }

    fn nothing_leaked(&self) -> Result<(), String> {
        let leak = self.footprints.iter().find(|(before, after)| {
            after.pending > 0 || after.tasks > before.tasks || after.bytes > before.bytes + GROWTH
        });
        leak.map_or(Ok(()), |(before, after)| Err(format!("{before:?} became {after:?}")))
    }

    /// How often what happened, for whoever reads a failure.
    fn told(&self) -> String {
        let mut told = BTreeMap::<String, usize>::new();
        for Operation { kind, note, start, .. } in &self.history {
            let when = if *start < self.times.begun {
                "before"
            } else if *start < self.times.over {
                "during"
            } else {
                "after"
            };
            let outcome = note.split_once(' ').filter(|_| *kind == Kind::Read).map_or("", |(_, outcome)| outcome);
            *told.entry(format!("{when} {kind} {outcome}")).or_default() += 1;
        }
        let latest = self.history.iter().filter(|call| call.kind != Kind::Load).map(|call| self.lateness(call)).max();
        let back = Duration::from_nanos(self.times.recovered - self.times.over);
        format!("{told:#?}\nthe latest by {latest:?}, back after {back:?}, {:?}", self.footprints)
    }
}

fn shown(violations: &[Violation<'_>]) -> String {
    violations.iter().take(2).map(Violation::to_string).collect()
}

fn right(is_right: bool, else_wrong: impl FnOnce() -> String) -> Result<(), String> {
    if is_right { Ok(()) } else { Err(else_wrong()) }
}

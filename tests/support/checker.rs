//! The checker: which reads of a history returned a version that an invalidation had forbidden before they began.
//!
//! For each key the confirmed writes are sorted by their end and the reads by their start; one sweep carries the
//! highest version confirmed so far. A read below it is a violation: whoever loaded that version loaded it before the
//! write, and the write's invalidation had finished before the read began. Versions only grow, so nothing else needs
//! to be known of the order of operations.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Kind, Operation};

/// How much of what lay between the two operations is printed.
const SHOWN: usize = 40;

/// A read that returned what had been invalidated.
#[derive(Debug)]
pub struct Violation<'h> {
    /// The read.
    pub read: &'h Operation,
    /// The write whose invalidation had finished.
    pub write: &'h Operation,
    /// What else happened to the key from the start of the write to the end of the read, and who had loaded the version.
    between: Vec<&'h Operation>,
}

/// The violations of a history, in whatever order its operations stand.
pub fn check(history: &[Operation]) -> Vec<Violation<'_>> {
    by_key(history).values().flat_map(|operations| check_key(operations)).collect()
}

/// How many reads overlapped a confirmed invalidation of their key: without any, a history proves nothing.
pub fn contended(history: &[Operation]) -> usize {
    by_key(history).values().map(|operations| contended_key(operations)).sum()
}

type OfKey<'h> = Vec<&'h Operation>;

fn by_key(history: &[Operation]) -> BTreeMap<&str, OfKey<'_>> {
    let mut keys = BTreeMap::<_, OfKey<'_>>::new();
    for operation in history {
        keys.entry(&*operation.key).or_default().push(operation);
    }
    keys
}

fn of<'h>(operations: &OfKey<'h>, wanted: fn(Kind) -> bool, by: fn(&Operation) -> u64) -> OfKey<'h> {
    let mut wanted: OfKey<'h> = operations.iter().copied().filter(|operation| wanted(operation.kind)).collect();
    wanted.sort_by_key(|operation| by(operation));
    wanted
}

fn check_key<'h>(operations: &OfKey<'h>) -> Vec<Violation<'h>> {
    let mut writes = of(operations, Kind::is_confirmed_write, |write| write.end).into_iter().peekable();
    let mut newest: Option<&Operation> = None;
    let mut violations = Vec::new();
    for read in of(operations, |kind| kind == Kind::Read, |read| read.start) {
        while let Some(write) = writes.next_if(|write| write.end < read.start) {
            newest = newest.filter(|newest| newest.version >= write.version).or(Some(write));
        }
        if let Some(write) = newest.filter(|newest| newest.version > read.version) {
            violations.push(Violation { read, write, between: between(operations, write, read) });
        }
    }
    violations
}

fn between<'h>(operations: &OfKey<'h>, write: &Operation, read: &Operation) -> OfKey<'h> {
    let mut between: OfKey<'h> = operations
        .iter()
        .copied()
        .filter(|other| other.start <= read.end && *other != write && *other != read)
        .filter(|other| other.end >= write.start || (other.kind == Kind::Load && other.version == read.version))
        .collect();
    between.sort_by_key(|other| other.start);
    between
}

fn contended_key(operations: &OfKey<'_>) -> usize {
    let mut writes = of(operations, Kind::is_confirmed_write, |write| write.start).into_iter().peekable();
    let mut latest_end = 0;
    let mut reads = of(operations, |kind| kind == Kind::Read, |read| read.end);
    reads.retain(|read| {
        while let Some(write) = writes.next_if(|write| write.start < read.end) {
            latest_end = latest_end.max(write.end);
        }
        latest_end > read.start
    });
    reads.len()
}

impl fmt::Display for Violation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, write, between } = self;
        writeln!(
            f,
            "a read of `{}` returned version {}, {} µs after the invalidation of version {} had finished \
             (times in µs since that write began):",
            read.key,
            read.version,
            (read.start - write.end) / 1_000,
            write.version
        )?;
        let mut line = |mark: &str, operation: &Operation| {
            let since = |time: u64| (i128::from(time) - i128::from(write.start)) / 1_000;
            let Operation { kind, version, start, end, note, .. } = operation;
            writeln!(f, "{mark} {:>9} ..{:>9}  {kind} {version}  {note}", since(*start), since(*end))
        };
        line("write", write)?;
        for operation in between.iter().take(SHOWN) {
            line("     ", operation)?;
        }
        line("READ ", read)?;
        match between.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, "and {more} operations more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(kind: Kind, version: u64, start: u64, end: u64) -> Operation {
        Operation { kind, key: "k".to_owned(), version, start, end, note: "one".to_owned() }
    }

    fn violations(history: &[Operation]) -> Vec<(u64, u64)> {
        check(history).iter().map(|violation| (violation.read.start, violation.write.version)).collect()
    }

    #[test]
    fn a_read_of_an_old_version_is_caught_from_the_end_of_the_invalidation_on() {
        let history = [did(Kind::Invalidate, 1, 10, 20), did(Kind::Read, 0, 21, 30)];
        assert_eq!(violations(&history), [(21, 1)]);
        assert!(check(&history)[0].to_string().contains("returned version 0"));
        let history = [did(Kind::Read, 0, 35, 36), did(Kind::Delete, 1, 10, 20)];
        assert_eq!(violations(&history), [(35, 1)], "also by a plain DEL, in whatever order they were written down");
    }

    #[test]
    fn a_read_that_began_before_the_invalidation_ended_may_return_either() {
        for version in [0, 1] {
            assert_eq!(violations(&[did(Kind::Invalidate, 1, 10, 20), did(Kind::Read, version, 20, 90)]), []);
        }
    }

    #[test]
    fn newer_versions_and_unconfirmed_invalidations_forbid_nothing() {
        let history = [
            did(Kind::Invalidate, 1, 10, 20),
            did(Kind::Unconfirmed, 2, 21, 22),
            did(Kind::Evict, 0, 23, 24),
            did(Kind::Read, 1, 30, 40),
            did(Kind::Read, 3, 31, 40),
        ];
        assert_eq!(violations(&history), []);
    }

    #[test]
    fn the_newest_version_counts_though_an_older_one_was_invalidated_later() {
        let history = [
            did(Kind::Invalidate, 2, 10, 20),
            did(Kind::Invalidate, 1, 5, 30),
            did(Kind::Read, 1, 40, 50),
            did(Kind::Read, 2, 40, 50),
        ];
        assert_eq!(violations(&history), [(40, 2)]);
    }

    #[test]
    fn keys_do_not_meet() {
        let mut other = did(Kind::Read, 0, 30, 40);
        other.key = "other".to_owned();
        assert_eq!(violations(&[did(Kind::Invalidate, 1, 10, 20), other]), []);
    }

    #[test]
    fn reads_during_an_invalidation_are_counted_as_contended() {
        let history = [
            did(Kind::Invalidate, 1, 10, 20),
            did(Kind::Invalidate, 2, 50, 60),
            did(Kind::Read, 0, 1, 9),
            did(Kind::Read, 0, 1, 11),
            did(Kind::Read, 1, 12, 13),
            did(Kind::Read, 1, 21, 49),
            did(Kind::Read, 2, 59, 70),
        ];
        assert_eq!(contended(&history), 3);
    }

    #[test]
    fn an_operation_is_read_as_it_was_written() {
        let operation = did(Kind::Unconfirmed, 7, 8, 9);
        assert_eq!(operation.to_string().parse(), Ok(operation));
        assert!("read k 1 2".parse::<Operation>().is_err());
    }
}

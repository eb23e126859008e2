//! One line of a history: what a process did to a key, and when, on a clock that all processes of a machine share.

use std::fmt;
use std::str::FromStr;

use rustix::time::{ClockId, clock_gettime};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A cached function was called and returned this version.
    Read,
    /// A function's body ran and read this version of the origin.
    Load,
    /// This version was written to the origin, and the entry then invalidated: confirmed.
    Invalidate,
    /// This version was written to the origin, and the key then deleted with a plain `DEL`: confirmed.
    Delete,
    /// This version was written to the origin, and the removal was not confirmed: it may have happened or not.
    Unconfirmed,
    /// The key was deleted, and nothing was written.
    Evict,
    /// A cached function was called, and its body failed.
    Failed,
    /// A cached function was called, and its caller went away.
    Gone,
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::Read, "read"),
    (Kind::Load, "load"),
    (Kind::Invalidate, "invalidate"),
    (Kind::Delete, "delete"),
    (Kind::Unconfirmed, "unconfirmed"),
    (Kind::Evict, "evict"),
    (Kind::Failed, "failed"),
    (Kind::Gone, "gone"),
];

impl Kind {
    /// Whether reads that start after it has ended owe the version that it wrote.
    pub fn is_confirmed_write(self) -> bool {
        matches!(self, Self::Invalidate | Self::Delete)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KINDS.iter().find(|(kind, _)| kind == self).map_or("?", |(_, name)| name))
    }
}

/// An operation that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What was done.
    pub kind: Kind,
    /// To which key of the origin.
    pub key: String,
    /// The version that was read or written; 0 where there was none.
    pub version: u64,
    /// When it began, as [`monotonic`] says.
    pub start: u64,
    /// When it ended, likewise.
    pub end: u64,
    /// Who did it and what came of it, for whoever reads a violation: `runs coalesced`.
    pub note: String,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, key, version, start, end, note } = self;
        write!(f, "{kind} {key} {version} {start} {end} {note}")
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("not an operation: {line:?}");
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).ok_or_else(wrong);
        let mut words = line.splitn(6, ' ');
        let kind = words.next().and_then(|word| KINDS.iter().find(|(_, name)| *name == word));
        Ok(Self {
            kind: kind.ok_or_else(wrong)?.0,
            key: words.next().ok_or_else(wrong)?.to_owned(),
            version: number(words.next())?,
            start: number(words.next())?,
            end: number(words.next())?,
            note: words.next().ok_or_else(wrong)?.to_owned(),
        })
    }
}

/// Nanoseconds on the machine's monotonic clock: what one process reads compares with what another one does.
pub fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |part: i64| u64::try_from(part).expect("the monotonic clock is not negative");
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

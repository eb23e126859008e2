//! The key, the origin behind it, and everybody who works on them.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::actor::{Actor, Role, State};
use super::writer::{self, Command};
use crate::clock::Timestamp;
use crate::entry::{self, Flags, Header, Kind, LEASE_UNTIL, Lookup, Schema, Sizes, Token, Writing, classify};
use crate::explore::{Model, Next};
use crate::store::{Admission, Change, EndRequest, Ended, LeaseRequest, Withdrawal, WriteRequest};

/// The one key.
const KEY: &str = "k";

/// Clocks stand still: what is over is given a deadline in the past.
pub(super) const NOW: Timestamp = Timestamp::from_ticks(1_000_000);

/// The functions under test: those of `transition`, or one of them broken.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) admit: fn(Option<&[u8]>, Option<Duration>, &LeaseRequest) -> Admission,
    pub(super) commits: fn(Option<&[u8]>, Token) -> bool,
    pub(super) withdraw: fn(Option<&[u8]>, Token, Duration) -> Withdrawal,
    pub(super) begin: Begin,
    pub(super) end: fn(Option<&[u8]>, &EndRequest) -> (Ended, Change),
    /// Whether a begin that is not answered is sent again as it is.
    pub(super) begins_are_sent_again: bool,
}

/// What a begin does to the entry, and the generation that it is answered with.
pub(super) type Begin = fn(Option<&[u8]>, Option<Duration>, &WriteRequest) -> (Token, Change);

/// Which properties are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    Everything,
    /// Whether old values are read: what comes of a broken rule in the end.
    OldValues,
}

#[derive(Clone)]
pub(super) struct World {
    watch: Watch,
    pub(super) rules: Rules,
    pub(super) entry: Option<Bytes>,
    /// Whether the value is past its freshness.
    pub(super) stale: bool,
    /// The newest version that was written.
    pub(super) origin: u8,
    /// The newest version whose invalidation has finished.
    pub(super) finished: u8,
    /// Who was granted the lease that stands.
    pub(super) holder: Option<usize>,
    pub(super) actors: Vec<Actor>,
    /// What each has written to the origin between its begin and its end.
    pub(super) wrote: Vec<u8>,
    /// The writers, a bit each, whose WRITE was lost while they were under way: expired, evicted, or removed.
    pub(super) lost: u8,
    /// The writers, a bit each, of which a late command was executed.
    pub(super) has_late: u8,
    /// The commands that are late, in order.
    pub(super) late: Vec<Command>,
    /// How many more mishaps writers may have: a command is late or not answered, a function fails, a writer is killed.
    pub(super) mishaps: u8,
}

impl World {
    pub(super) fn new(rules: Rules, watch: Watch, mishaps: u8, cast: &[Role]) -> Self {
        let actors = cast.iter().map(|role| Actor { role: *role, state: State::Idle }).collect();
        Self {
            watch,
            rules,
            entry: None,
            stale: false,
            origin: 0,
            finished: 0,
            holder: None,
            actors,
            wrote: vec![0; cast.len()],
            lost: 0,
            has_late: 0,
            late: Vec::new(),
            mishaps,
        }
    }

    /// What a reader of this codec finds. Clocks stand still: what is over has been given a deadline in the past.
    pub(super) fn lookup(&self, codec: u8) -> Lookup {
        let now = if self.stale { u64::MAX } else { 1 };
        classify(self.entry.as_deref(), KEY, Schema { codec, ..Schema::default() }.into(), || {
            Timestamp::from_ticks(now)
        })
    }

    /// The version that stands at the key.
    pub(super) fn version(&self) -> Option<u8> {
        let entry = self.entry.as_deref()?;
        let header = Header::decode(entry).filter(Header::is_value)?;
        entry::payload(entry, &header, &Sizes::default()).ok()?.first().copied()
    }

    /// Writes an entry, with its deadlines far away whatever the time is.
    pub(super) fn write(&mut self, entry: &[u8]) {
        let mut entry = BytesMut::from(entry);
        if entry[LEASE_UNTIL] != [0; 5] {
            entry[LEASE_UNTIL].fill(0xFF);
        }
        self.set(Some(entry.freeze()), None);
    }

    pub(super) fn remove(&mut self) {
        self.set(None, None);
        self.holder = None;
    }

    /// Applies what a writer does to the entry: any lease on it is gone.
    pub(super) fn apply(&mut self, change: Change, by: usize) {
        match change {
            Change::Write(entry, _) => self.set(Some(entry), Some(by)),
            Change::Remove => self.set(None, Some(by)),
            Change::Leave => return,
        }
        (self.holder, self.stale) = (None, false);
    }

    /// Replaces the entry, and notes which writers lose their WRITE by that. A writer must not take another one's WRITE
    /// away, so that does not count as a loss.
    pub(super) fn set(&mut self, entry: Option<Bytes>, by: Option<usize>) {
        let writing = |entry: &Option<Bytes>| entry.as_deref().and_then(Writing::decode);
        if let Some(before) = writing(&self.entry).filter(|_| by.is_none()) {
            let after = writing(&entry);
            for number in 0..self.actors.len() {
                let is_in = |writing: &Writing| writing.deadline_of(writer::id(number)).is_some();
                let is_taken = is_in(&before) && !after.as_ref().is_some_and(is_in);
                if is_taken && matches!(self.actors[number].state, State::Writes(_)) {
                    self.lost |= 1 << number;
                }
            }
        }
        self.entry = entry;
    }

    /// Delays a command of a writer: it is executed later, or never.
    pub(super) fn delay(&mut self, command: Command) {
        self.mishaps -= 1;
        self.late.push(command);
        self.late.sort();
    }

    /// Whether the lease on a value is past its deadline: the value is displaced as if it had none.
    pub(super) fn lease_is_over(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry[LEASE_UNTIL] == [0; 5])
    }

    /// The properties that hold in every state.
    pub(super) fn checked(self) -> Result<Self, String> {
        if let Some(version) = self.version().filter(|version| *version < self.finished) {
            let finished = self.finished;
            return Err(format!("a read that begins now returns {version}, though {finished} was invalidated"));
        }
        self.check_writers()?;
        match self.holder {
            Some(holder) if self.actors[holder].state == State::Done => {
                self.is_wrong(&format!("{} has ended, and its lease is left", self.name(holder))).map(|()| self)
            }
            _ => Ok(self),
        }
    }

    /// A writer that was killed after it had written leaves no value from before, unless its WRITE was lost. A writer that
    /// has ended leaves no place in a WRITE, unless one of its commands was late.
    fn check_writers(&self) -> Result<(), String> {
        for (number, actor) in self.actors.iter().enumerate() {
            let is = |writers: u8| writers & 1 << number != 0;
            let wrote = self.wrote[number];
            if actor.state == State::Dead && !is(self.lost) && self.version().is_some_and(|version| version < wrote) {
                let (who, version) = (self.name(number), self.version());
                return Err(format!("{version:?} is left behind, though {who} had written {wrote} when it was killed"));
            }
            let is_left = || {
                let writing = self.entry.as_deref().and_then(Writing::decode);
                writing.is_some_and(|writing| writing.deadline_of(writer::id(number)).is_some())
            };
            if actor.state == State::Done && !is(self.has_late) && is_left() {
                self.is_wrong(&format!("{} has ended, and is still under way", self.name(number)))?;
            }
        }
        Ok(())
    }

    /// What should not be, where more than old values is looked at.
    pub(super) fn is_wrong(&self, why: &str) -> Result<(), String> {
        if self.watch == Watch::Everything { Err(why.to_owned()) } else { Ok(()) }
    }

    /// `fill A`
    pub(super) fn name(&self, number: usize) -> String {
        format!("{} {}", self.actors[number].role.word(), ["A", "B", "C", "D", "E"][number])
    }

    /// One thing that happens: `change` says what becomes of the actor that does it.
    pub(super) fn step(
        &self,
        number: usize,
        what: &str,
        change: impl FnOnce(&mut Self) -> Result<State, String>,
    ) -> Next<Self> {
        let mut world = self.clone();
        let broken = |why: String| format!("{} {why}", self.name(number));
        let then = change(&mut world).map_err(broken).and_then(|state| {
            world.actors[number].state = state;
            world.checked()
        });
        Next { step: format!("{} {what}", self.name(number)), then }
    }

    /// What happens to the entry by itself.
    fn decays(&self) -> Vec<Next<Self>> {
        let Some((entry, header)) = self.entry.as_ref().and_then(|entry| Some((entry, Header::decode(entry)?))) else {
            return Vec::new();
        };
        let mut decays = Vec::new();
        let mut decay = |step: &str, then: Self| decays.push(Next { step: step.to_owned(), then: then.checked() });
        let mut gone = self.clone();
        gone.remove();
        let unleased = || {
            let mut entry = BytesMut::from(&entry[..]);
            entry[LEASE_UNTIL].fill(0);
            Self { entry: Some(entry.freeze()), ..self.clone() }
        };
        match header.kind {
            Kind::Value => {}
            Kind::Lease => {
                decay("the lease expires, or is evicted", gone);
                return decays;
            }
            Kind::Write => {
                decay("the write expires, or is evicted", gone);
                writer::decays(self, &mut decays);
                return decays;
            }
        }
        decay("the value expires, or is evicted", gone);
        if header.flags.has(Flags::OUTLIVES) && !self.stale {
            decay("the value grows stale", Self { stale: true, ..self.clone() });
        }
        if header.flags.has(Flags::LEASED) && !self.lease_is_over() {
            decay("the lease on the value is over", unleased());
        }
        decays
    }
}

impl Model for World {
    type Key = (Option<Bytes>, bool, (u8, u8), Option<usize>, Vec<Actor>, Vec<u8>, (u8, u8), (Vec<Command>, u8));

    fn key(&self) -> Self::Key {
        (
            self.entry.clone(),
            self.stale,
            (self.origin, self.finished),
            self.holder,
            self.actors.clone(),
            self.wrote.clone(),
            (self.lost, self.has_late),
            (self.late.clone(), self.mishaps),
        )
    }

    fn next(&self) -> Vec<Next<Self>> {
        let mut next = self.decays();
        writer::late(self, &mut next);
        for (number, actor) in self.actors.iter().enumerate() {
            // Actors of one role are alike: letting them begin in order leaves nothing out.
            let comes_first = |other: &Actor| other.role != actor.role || other.state != State::Idle;
            if actor.state != State::Idle || self.actors[..number].iter().all(comes_first) {
                actor.next(number, self, &mut next);
            }
        }
        next
    }
}

/// The entry of a version that does not expire by itself.
pub(super) fn value(codec: u8, token: Token, version: u8) -> Bytes {
    let header = Header {
        schema: Schema { codec, ..Schema::default() },
        token,
        fresh_until: Timestamp::from_ticks((1 << 40) - 1),
        ..Header::default()
    };
    let written = entry::write(&header, KEY, &Sizes::default(), |out| {
        out.push(version);
        Ok::<_, Infallible>(())
    });
    written.map_or_else(|never| match never {}, |written| written.bytes)
}

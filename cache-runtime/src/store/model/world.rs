//! The key, the origin behind it, and everybody who works on them.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::actor::{Actor, Role, State};
use crate::clock::Timestamp;
use crate::entry::{self, Flags, Header, LEASE_UNTIL, Lookup, Schema, Sizes, Token, classify};
use crate::explore::{Model, Next};
use crate::store::{Admission, LeaseRequest, Withdrawal};

/// The one key.
const KEY: &str = "k";

/// The functions under test: those of `transition`, or one of them broken.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) admit: fn(Option<&[u8]>, &LeaseRequest) -> Admission,
    pub(super) commits: fn(Option<&[u8]>, Token) -> bool,
    pub(super) withdraw: fn(Option<&[u8]>, Token, Duration) -> Withdrawal,
}

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
}

impl World {
    pub(super) fn new(rules: Rules, watch: Watch, cast: &[Role]) -> Self {
        let actors = cast.iter().map(|role| Actor { role: *role, state: State::Idle }).collect();
        Self { watch, rules, entry: None, stale: false, origin: 0, finished: 0, holder: None, actors }
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
        self.entry = Some(entry.freeze());
    }

    pub(super) fn remove(&mut self) {
        (self.entry, self.holder) = (None, None);
    }

    /// Whether the lease on a value is past its deadline: the value is displaced as if it had none.
    pub(super) fn lease_is_over(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry[LEASE_UNTIL] == [0; 5])
    }

    /// The properties that hold in every state.
    fn checked(self) -> Result<Self, String> {
        if let Some(version) = self.version().filter(|version| *version < self.finished) {
            let finished = self.finished;
            return Err(format!("a read that begins now returns {version}, though {finished} was invalidated"));
        }
        match self.holder {
            Some(holder) if self.actors[holder].state == State::Done => {
                self.is_wrong(&format!("{} has ended, and its lease is left", self.name(holder))).map(|()| self)
            }
            _ => Ok(self),
        }
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
        let gone = Self { entry: None, holder: None, ..self.clone() };
        let unleased = || {
            let mut entry = BytesMut::from(&entry[..]);
            entry[LEASE_UNTIL].fill(0);
            Self { entry: Some(entry.freeze()), ..self.clone() }
        };
        if !header.is_value() {
            decay("the lease expires, or is evicted", gone);
            return decays;
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
    type Key = (Option<Bytes>, bool, u8, u8, Option<usize>, Vec<Actor>);

    fn key(&self) -> Self::Key {
        (self.entry.clone(), self.stale, self.origin, self.finished, self.holder, self.actors.clone())
    }

    fn next(&self) -> Vec<Next<Self>> {
        let mut next = self.decays();
        for number in 0..self.actors.len() {
            self.actors[number].next(number, self, &mut next);
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

//! Who works on the key, and what each does next.

use std::time::Duration;

use bytes::Bytes;

use super::world::{World, value};
use crate::clock::Timestamp;
use crate::entry::{self, Flags, Header, Lookup, Token};
use crate::explore::Next;
use crate::store::{Admission, LeaseRequest, Take, Withdrawal};

/// Longer than a test takes: that a lease ends is a step of its own.
const LEASE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Looks once.
    Reader,
    /// Looks, takes the lease of what is missing or no use, loads, commits. Where another has the lease, it waits, or
    /// loads without.
    Fill { codec: u8 },
    /// Takes the lease of whatever is there, loads, commits.
    Refresh,
    /// Writes the origin, then removes the entry.
    Invalidation,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Fill { .. } => "fill",
            Self::Refresh => "refresh",
            Self::Invalidation => "invalidation",
        }
    }
}

/// How far somebody is. What `owes` is a version: the newest whose invalidation had finished when the read began.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    Idle,
    Looks {
        owes: u8,
    },
    /// For the lease; of exactly this entry, where there was one that is no use.
    Asks {
        owes: u8,
        displaces: Option<Bytes>,
    },
    Loads {
        owes: u8,
        held: bool,
    },
    Ends {
        owes: u8,
        held: bool,
        version: u8,
    },
    Removes {
        version: u8,
    },
    Done,
    /// Killed in the middle of it.
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Actor {
    pub(super) role: Role,
    pub(super) state: State,
}

impl Actor {
    /// All that this actor may do next.
    pub(super) fn next(&self, me: usize, world: &World, next: &mut Vec<Next<World>>) {
        match self.state.clone() {
            State::Idle => next.push(self.begins(me, world)),
            State::Looks { owes } => self.looks(owes, me, world, next),
            State::Asks { owes, displaces } => {
                next.push(world.step(me, "asks for the lease", |world| self.asks(owes, displaces, me, world)));
            }
            State::Loads { owes, held } => {
                next.push(world.step(me, &format!("loads version {}", world.origin), |world| {
                    Ok(State::Ends { owes, held, version: world.origin })
                }));
                Self::may_die(held, me, world, next);
            }
            State::Ends { owes, held, version } => self.ends((owes, held, version), me, world, next),
            State::Removes { version } => next.push(world.step(me, "removes the entry, and has finished", |world| {
                world.remove();
                world.finished = world.finished.max(version);
                Ok(State::Done)
            })),
            State::Done | State::Dead => {}
        }
    }

    fn begins(&self, me: usize, world: &World) -> Next<World> {
        let owes = world.finished;
        match self.role {
            Role::Invalidation => world.step(me, &format!("writes version {}", world.origin + 1), |world| {
                world.origin += 1;
                Ok(State::Removes { version: world.origin })
            }),
            Role::Refresh => world.step(me, "begins", |_| Ok(State::Asks { owes, displaces: None })),
            Role::Reader | Role::Fill { .. } => world.step(me, "begins", |_| Ok(State::Looks { owes })),
        }
    }

    fn codec(&self) -> u8 {
        if let Role::Fill { codec } = self.role { codec } else { 1 }
    }

    fn looks(&self, owes: u8, me: usize, world: &World, next: &mut Vec<Next<World>>) {
        let head = world.entry.as_deref().map(|entry| Bytes::copy_from_slice(entry::head(entry)));
        let mut look = |what: &str, then: Result<State, String>| next.push(world.step(me, what, |_| then));
        match world.lookup(self.codec()) {
            Lookup::Fresh(_) => look("finds a value", Self::returns(owes, world.version())),
            _ if self.role == Role::Reader => look("finds no value", Ok(State::Done)),
            Lookup::Pending(_) => {
                // Waiting is not to go on before the entry has changed.
                look("finds a lease, and goes without", Ok(State::Loads { owes, held: false }));
            }
            Lookup::Stale(header)
                if header.flags.has(Flags::LEASED)
                    && !header.flags.has(Flags::HELD_OFF)
                    && header.lease_until > Timestamp::default() =>
            {
                look("finds a lease on a stale value, and goes without", Ok(State::Loads { owes, held: false }));
            }
            Lookup::Missing => look("finds nothing", Ok(State::Asks { owes, displaces: None })),
            Lookup::Writing(_) => {
                look("finds a write under way, and goes without", Ok(State::Loads { owes, held: false }));
            }
            Lookup::Foreign => look("finds a foreign string, and goes without", Ok(State::Loads { owes, held: false })),
            Lookup::Stale(_) | Lookup::Unusable(_) => {
                look("finds what is no use", Ok(State::Asks { owes, displaces: head }));
            }
        }
    }

    fn returns(owes: u8, version: Option<u8>) -> Result<State, String> {
        match version {
            Some(version) if version >= owes => Ok(State::Done),
            found => Err(format!("returns {found:?}, though {owes} was invalidated before it began")),
        }
    }

    fn asks(&self, owes: u8, displaces: Option<Bytes>, me: usize, world: &mut World) -> Result<State, String> {
        let take = match displaces {
            _ if self.role == Role::Refresh => Take::Any,
            Some(head) if Header::decode(&head).is_some_and(|header| header.schema.codec == self.codec()) => {
                Take::Refresh(head)
            }
            Some(head) => Take::Unusable(head),
            None => Take::Missing,
        };
        let request = LeaseRequest::new(token(me), LEASE, take, Timestamp::now());
        match (world.rules.admit)(world.entry.as_deref(), &request) {
            Admission::Grant(lease, _) => {
                let displaces = world.holder.filter(|_| self.role != Role::Refresh && !world.lease_is_over());
                if let Some(other) = displaces {
                    world.is_wrong(&format!("takes the lease of {}", world.name(other)))?;
                }
                world.write(&lease);
                world.holder = Some(me);
                Ok(State::Loads { owes, held: true })
            }
            // What is there instead is looked at.
            Admission::Refuse => Ok(State::Looks { owes }),
        }
    }

    fn ends(&self, (owes, held, version): (u8, bool, u8), me: usize, world: &World, next: &mut Vec<Next<World>>) {
        let returned = Self::returns(owes, Some(version));
        if !held {
            next.push(world.step(me, "returns what it loaded", |_| returned));
            return;
        }
        Self::may_die(held, me, world, next);
        let entry = value(self.codec(), token(me), version);
        next.push(world.step(me, &format!("commits version {version}"), |world| {
            if (world.rules.commits)(world.entry.as_deref(), token(me)) {
                if world.holder != Some(me) {
                    world.is_wrong("commits without holding the lease that stands")?;
                }
                world.write(&entry);
                (world.holder, world.stale) = (None, false);
            }
            returned
        }));
        if self.role == Role::Refresh {
            next.push(world.step(me, "finds that there is no value any more, and removes it", |world| {
                world.remove();
                Ok(State::Done)
            }));
        }
        for (what, hold_off) in [("", Duration::ZERO), (" with a pause", LEASE)] {
            let what = format!("fails, and gives the lease back{what}");
            next.push(world.step(me, &what, |world| Self::gives_back(me, hold_off, world)));
        }
    }

    fn gives_back(me: usize, hold_off: Duration, world: &mut World) -> Result<State, String> {
        let before = world.entry.clone();
        match (world.rules.withdraw)(world.entry.as_deref(), token(me), hold_off) {
            Withdrawal::Remove => world.entry = None,
            Withdrawal::Write(value) => world.write(&value),
            Withdrawal::Leave => {}
        }
        if world.entry != before {
            if world.holder != Some(me) {
                world.is_wrong("gives back what it does not hold")?;
            }
            world.holder = None;
        }
        Ok(State::Done)
    }

    fn may_die(held: bool, me: usize, world: &World, next: &mut Vec<Next<World>>) {
        if held {
            next.push(world.step(me, "is killed", |_| Ok(State::Dead)));
        }
    }
}

fn token(number: usize) -> Token {
    Token([u8::try_from(number).expect("few actors") + 1; 8])
}

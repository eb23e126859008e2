//! Who works on the key, and what each does next.

use std::time::Duration;

use bytes::Bytes;

use super::world::{NOW, World, value};
use super::writer::{self, Leaves, Write};
use crate::clock::Timestamp;
use crate::entry::{self, Flags, Header, Lookup, Token, Writing};
use crate::explore::Next;
use crate::store::{Admission, LeaseRequest, Take, Withdrawal};

/// Longer than a test takes: that a lease ends is a step of its own.
pub(super) const LEASE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Looks once, and may share the run of a caller in its process that saw the same.
    Reader,
    /// Looks, takes the lease of what is missing or no use, loads, commits. Where another has the lease, it waits, or
    /// loads without.
    Fill { codec: u8 },
    /// Takes the lease of whatever is there, loads, commits.
    Refresh,
    /// Writes the origin, then removes the entry.
    Invalidation,
    /// Begins, writes the origin, and ends.
    Writer(Leaves),
    /// Removes the entry, without having written.
    Removal,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Fill { .. } => "fill",
            Self::Refresh => "refresh",
            Self::Invalidation => "invalidation",
            Self::Writer(Leaves::Value) => "put",
            Self::Writer(Leaves::Nothing) => "evict",
            Self::Removal => "DEL",
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
        under: Under,
    },
    Ends {
        owes: u8,
        under: Under,
        version: u8,
    },
    Writes(Write),
    /// Writes without a WRITE, since it could not begin, as an invalidation does.
    WritesWithout,
    Removes {
        version: u8,
    },
    Done,
    /// Killed in the middle of it.
    Dead,
}

/// What is at the key while the function runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Under {
    /// Its own lease.
    Lease,
    /// The lease of another one, or a WRITE.
    Other(Token),
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
            State::Idle if matches!(self.role, Role::Writer(_)) => writer::next(&Write::FIRST, me, world, next),
            State::Idle => next.push(self.begins(me, world)),
            State::Looks { owes } => self.looks(owes, me, world, next),
            State::Asks { owes, displaces } => {
                next.push(world.step(me, "asks for the lease", |world| self.asks(owes, displaces, me, world)));
            }
            State::Loads { owes, under } => {
                next.push(world.step(me, &format!("loads version {}", world.origin), |world| {
                    Ok(State::Ends { owes, under, version: world.origin })
                }));
                Self::may_die(under, me, world, next);
            }
            State::Ends { owes, under, version } => self.ends((owes, under, version), me, world, next),
            State::Writes(write) => writer::next(&write, me, world, next),
            State::WritesWithout => next.push(Self::writes(me, world)),
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
            Role::Invalidation => Self::writes(me, world),
            Role::Writer(_) | Role::Removal => world.step(me, "removes the entry", |world| {
                world.remove();
                Ok(State::Done)
            }),
            Role::Refresh => world.step(me, "begins", |_| Ok(State::Asks { owes, displaces: None })),
            Role::Reader | Role::Fill { .. } => world.step(me, "begins", |_| Ok(State::Looks { owes })),
        }
    }

    fn writes(me: usize, world: &World) -> Next<World> {
        world.step(me, &format!("writes version {}", world.origin + 1), |world| {
            world.origin += 1;
            Ok(State::Removes { version: world.origin })
        })
    }

    fn codec(&self) -> u8 {
        if let Role::Fill { codec } = self.role { codec } else { 1 }
    }

    fn looks(&self, owes: u8, me: usize, world: &World, next: &mut Vec<Next<World>>) {
        let head = world.entry.as_deref().map(|entry| Bytes::copy_from_slice(entry::head(entry)));
        let mut look = |what: &str, then: Result<State, String>| next.push(world.step(me, what, |_| then));
        match world.lookup(self.codec()) {
            Lookup::Fresh(_) => look("finds a value", Self::returns(owes, world.version())),
            lookup if self.role == Role::Reader => Self::joins(owes, lookup, me, world, next),
            Lookup::Pending(header) => {
                // Waiting is not to go on before the entry has changed.
                look("finds a lease, and goes without", Ok(State::Loads { owes, under: Under::Other(header.token) }));
            }
            Lookup::Stale(header)
                if header.flags.has(Flags::LEASED)
                    && !header.flags.has(Flags::HELD_OFF)
                    && header.lease_until > Timestamp::default() =>
            {
                let under = Under::Other(header.token);
                look("finds a lease on a stale value, and goes without", Ok(State::Loads { owes, under }));
            }
            Lookup::Missing => look("finds nothing", Ok(State::Asks { owes, displaces: None })),
            Lookup::Writing(header) => {
                let under = Under::Other(header.token);
                look("finds a write under way, and goes without", Ok(State::Loads { owes, under }));
            }
            Lookup::Foreign => look(
                "finds a foreign string, and goes without",
                Ok(State::Loads { owes, under: Under::Other(Token::default()) }),
            ),
            Lookup::Stale(_) | Lookup::Unusable(_) => {
                look("finds what is no use", Ok(State::Asks { owes, displaces: head }));
            }
        }
    }

    /// A caller that finds no value shares the run of another one if it sees the token that the other one saw or holds:
    /// nothing was invalidated since then.
    fn joins(owes: u8, lookup: Lookup, me: usize, world: &World, next: &mut Vec<Next<World>>) {
        next.push(world.step(me, "finds no value", |_| Ok(State::Done)));
        let (Lookup::Pending(seen) | Lookup::Writing(seen)) = lookup else { return };
        for (number, other) in world.actors.iter().enumerate() {
            let State::Ends { under, version, .. } = other.state else { continue };
            let is_proven = match under {
                Under::Lease => seen.token == token(number),
                Under::Other(token) => seen.token == token,
            };
            if is_proven {
                let what = format!("shares what {} has loaded", world.name(number));
                next.push(world.step(me, &what, |_| Self::returns(owes, Some(version))));
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
        let request = LeaseRequest::new(token(me), LEASE, take, NOW);
        match (world.rules.admit)(world.entry.as_deref(), Some(LEASE), &request) {
            Admission::Grant(lease, _) => {
                if world.entry.as_deref().is_some_and(|entry| Writing::decode(entry).is_some()) {
                    world.is_wrong("takes the place of a write under way")?;
                }
                let displaces = world.holder.filter(|_| self.role != Role::Refresh && !world.lease_is_over());
                if let Some(other) = displaces {
                    world.is_wrong(&format!("takes the lease of {}", world.name(other)))?;
                }
                world.write(&lease);
                world.holder = Some(me);
                Ok(State::Loads { owes, under: Under::Lease })
            }
            // What is there instead is looked at.
            Admission::Refuse => Ok(State::Looks { owes }),
        }
    }

    fn ends(&self, (owes, under, version): (u8, Under, u8), me: usize, world: &World, next: &mut Vec<Next<World>>) {
        let returned = Self::returns(owes, Some(version));
        if under != Under::Lease {
            next.push(world.step(me, "returns what it loaded", |_| returned));
            return;
        }
        Self::may_die(under, me, world, next);
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
            Withdrawal::Remove => world.set(None, None),
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

    fn may_die(under: Under, me: usize, world: &World, next: &mut Vec<Next<World>>) {
        if under == Under::Lease {
            next.push(world.step(me, "is killed", |_| Ok(State::Dead)));
        }
    }
}

fn token(number: usize) -> Token {
    Token([u8::try_from(number).expect("few actors") + 1; 8])
}

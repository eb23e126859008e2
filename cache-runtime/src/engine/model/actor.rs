//! Who takes part, and what each does next: callers as `Call` and `Fill` move them, one step at a time.
//!
//! Two things that follow each other are one step where nothing in between makes it worse: a function that starts loads
//! at once, since later it would find a newer version; a write removes the entry at once, since what is loaded in
//! between is new.

use bytes::Bytes;
use futures_util::FutureExt;

use std::time::Duration;

use super::world::{Entry, KEY, Rule, World};
use crate::clock;
use crate::engine::single_flight::{Arrival, Enter, Evidence, Group, Landing, Lead, Moment, Patience, Seat};
use crate::entry::Token;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Calls the function in the process of the flights.
    Caller,
    /// Likewise, and cannot ask the store.
    Blind,
    /// Calls it under `refresh`.
    Refresher,
    /// Writes and invalidates in the process of the flights.
    Invalidation,
    /// Likewise in another process: the flights do not hear of it.
    Elsewhere,
    /// Fills the entry in another process.
    Fill,
    /// Likewise, and asks for its lease a second time because it got no answer.
    FillThatAsksTwice,
    /// Lets the entry expire.
    Expiry,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Caller | Self::Blind => "caller",
            Self::Refresher => "refresher",
            Self::Invalidation => "invalidation",
            Self::Elsewhere => "another process's invalidation",
            Self::Fill | Self::FillThatAsksTwice => "another process's fill",
            Self::Expiry => "expiry",
        }
    }
}

/// A read under way.
#[derive(Clone, Copy)]
pub(super) struct Read {
    pub(super) at: Moment,
    pub(super) saw: Option<Token>,
    /// The newest version whose invalidation had finished when it began.
    pub(super) owes: u8,
}

/// What an actor may do.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    GoOn,
    /// Drop the call.
    GoAway,
}

pub(super) enum State {
    Idle,
    Looks(Read),
    Enters(Read),
    Waits(Read, Seat),
    /// Leads, and asks for the lease.
    Leads(Read, Lead),
    /// Leads, and was told of a value that is there, asked for since then.
    Found(Read, Lead, Moment, Entry),
    /// Leads, and starts the function under this lease or beside it.
    Starts(Read, Lead, Option<Token>),
    Lands(Read, Lead, Evidence, u8),
    Commits(Lead, Evidence, u8),
    /// A fill of another process: has asked once.
    AskedOnce,
    CommitsElsewhere(u8),
    EndsFlights(u8),
    Done,
}

pub(super) struct Actor {
    me: usize,
    pub(super) role: Role,
    pub(super) state: State,
}

/// For longer than a test takes.
pub(super) fn patience() -> Patience {
    Patience { limit: Duration::from_secs(60), since: clock::now(), leader: Duration::ZERO }
}

/// What was done, and whether that was right.
pub(super) type Played = Option<(String, Result<(), String>)>;

fn did(what: impl Into<String>) -> (String, Result<(), String>) {
    (what.into(), Ok(()))
}

/// Where an actor is now, and what it did; nothing where it can only wait.
type Turn = (State, Played);

fn on(state: State, what: impl Into<String>) -> Turn {
    (state, Some(did(what)))
}

/// A read that has its version.
fn returns(state: State, read: Read, version: u8, what: impl Into<String>) -> Turn {
    (state, Some((what.into(), World::returns(version, read.owes))))
}

impl Actor {
    pub(super) fn new(me: usize, role: Role) -> Self {
        Self { me, role, state: State::Idle }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// What it may do next. To wait for something that has not come is found out by trying.
    pub(super) fn choices(&self) -> &'static [Choice] {
        match self.state {
            State::Done => &[],
            State::Lands(..) => &[Choice::GoOn, Choice::GoAway],
            _ => &[Choice::GoOn],
        }
    }

    pub(super) fn play(&mut self, choice: Choice, world: &mut World) -> Played {
        let state = std::mem::replace(&mut self.state, State::Done);
        let (state, played) = match (choice, state) {
            (Choice::GoAway, state) => {
                drop(state);
                on(State::Done, "goes away")
            }
            (Choice::GoOn, State::Idle) => self.begins(world),
            (Choice::GoOn, state) => self.goes_on(state, world),
        };
        self.state = state;
        played
    }

    fn token(&self) -> Token {
        Token([u8::try_from(self.me).expect("few actors") + 1; 8])
    }

    fn begins(&self, world: &mut World) -> Turn {
        let read = Read { at: world.flights.now(), saw: None, owes: world.finished };
        match self.role {
            Role::Caller => on(State::Looks(read), "arrives"),
            Role::Blind => on(State::Enters(read), "arrives, and cannot ask the store"),
            Role::Refresher => {
                let lead = world.flights.replace(&KEY.into());
                on(State::Leads(read, lead), "arrives, and leads a new flight")
            }
            Role::Invalidation | Role::Elsewhere => {
                world.origin += 1;
                world.entry = None;
                if self.role == Role::Invalidation {
                    return on(
                        State::EndsFlights(world.origin),
                        format!("writes version {}, removes the entry", world.origin),
                    );
                }
                world.finished = world.origin;
                on(State::Done, format!("writes version {}, removes the entry, and has finished", world.origin))
            }
            Role::Fill | Role::FillThatAsksTwice => match world.lease(self.token()) {
                None if self.role == Role::Fill => {
                    on(State::CommitsElsewhere(world.origin), "takes the lease, and loads")
                }
                None => on(State::AskedOnce, "takes the lease, and does not hear of it"),
                Some(_) => on(State::Done, "finds the key taken"),
            },
            Role::Expiry => match world.entry.take() {
                Some(_) => on(State::Done, "comes"),
                None => (State::Idle, None),
            },
        }
    }

    fn goes_on(&self, state: State, world: &mut World) -> Turn {
        match state {
            State::Looks(read) => Self::looks(read, world),
            State::Enters(read) => self.enters(read, world),
            State::Waits(read, seat) => self.waits(read, seat, world),
            State::Leads(read, lead) => self.leads(read, lead, world),
            State::Found(read, lead, since, entry) => Self::lands_what_it_found(read, lead, (since, entry), world),
            State::Starts(read, lead, lease) => {
                let evidence = lead.loading(lease);
                let version = world.origin;
                on(State::Lands(read, lead, evidence, version), format!("starts the function, which loads {version}"))
            }
            State::Lands(read, lead, evidence, version) => self.lands(read, lead, evidence, version),
            State::Commits(lead, _, version) => {
                world.commit(self.token(), version);
                drop(lead);
                on(State::Done, format!("commits version {version}"))
            }
            State::AskedOnce => match world.lease(self.token()) {
                Some(other) if other.token != self.token() => on(State::Done, "asks again, and finds the key taken"),
                _ => on(State::CommitsElsewhere(world.origin), "asks again, has the lease, and loads"),
            },
            State::CommitsElsewhere(version) => {
                world.commit(self.token(), version);
                on(State::Done, format!("commits version {version}"))
            }
            State::EndsFlights(version) => {
                world.flights.end(KEY);
                world.finished = world.finished.max(version);
                on(State::Done, "ends the flights, and has finished")
            }
            State::Idle | State::Done => (state, None),
        }
    }

    fn looks(read: Read, world: &World) -> Turn {
        match world.entry {
            Some(Entry { version: Some(version), .. }) => returns(State::Done, read, version, "finds a value"),
            Some(Entry { token, .. }) => on(State::Enters(Read { saw: Some(token), ..read }), "sees a lease"),
            None => on(State::Enters(Read { saw: None, ..read }), "finds nothing"),
        }
    }

    fn arrival(&self, read: Read, rule: Rule) -> Arrival {
        Arrival { at: read.at, saw: read.saw, blind: self.role == Role::Blind || rule == Rule::AnyFlight }
    }

    fn enters(&self, read: Read, world: &World) -> Turn {
        match world.flights.enter(&KEY.into(), Group::default(), self.arrival(read, world.rule)) {
            Enter::Wait(seat) => on(State::Waits(read, seat), "joins a flight"),
            Enter::Lead(lead) => on(State::Leads(read, lead), "leads a flight"),
        }
    }

    fn waits(&self, read: Read, mut seat: Seat, world: &World) -> Turn {
        let Some(Some((evidence, landing))) = seat.landing(patience()).now_or_never() else {
            return (State::Waits(read, seat), None);
        };
        let again = if self.role == Role::Blind { State::Enters(read) } else { State::Looks(read) };
        match landing {
            Landing::Value(bytes) => {
                if world.rule == Rule::AnyLanding || self.arrival(read, world.rule).accepts(evidence) {
                    return returns(State::Done, read, bytes[0], "takes the landing");
                }
                on(again, "may not take the landing")
            }
            Landing::None | Landing::Failed(_) | Landing::Abandoned => on(again, "was abandoned"),
        }
    }

    fn leads(&self, read: Read, lead: Lead, world: &mut World) -> Turn {
        if self.role == Role::Blind || read.saw.is_some() {
            return on(State::Starts(read, lead, read.saw), "goes without a lease");
        }
        let since = world.flights.next();
        let displaced = if self.role == Role::Refresher { world.entry.take() } else { None };
        match (world.lease(self.token()), displaced) {
            (None, displaced) => {
                let version = displaced.and_then(|entry| entry.version);
                world.entry = Some(Entry { token: self.token(), leased: true, version });
                on(State::Starts(read, lead, Some(self.token())), "takes the lease")
            }
            (Some(entry), _) if entry.version.is_some() => {
                on(State::Found(read, lead, since, entry), "asks for the lease, and is answered with a value")
            }
            (Some(entry), _) => {
                let read = Read { saw: Some(entry.token), ..read };
                on(State::Starts(read, lead, read.saw), "asks for the lease, and sees another's")
            }
        }
    }

    fn lands_what_it_found(read: Read, lead: Lead, (since, entry): (Moment, Entry), world: &World) -> Turn {
        let since = if world.rule == Rule::SinceTheAnswer { world.flights.next() } else { since };
        let version = entry.version.unwrap_or_default();
        lead.land(Evidence { since, lease: Some(entry.token) }, Landing::Value(Bytes::copy_from_slice(&[version])));
        drop(lead);
        returns(State::Done, read, version, format!("lands version {version}, which it found"))
    }

    fn lands(&self, read: Read, lead: Lead, evidence: Evidence, version: u8) -> Turn {
        let held = evidence.lease == Some(self.token());
        if !held {
            // The flight is closed before its value is encoded, for whoever waits.
            lead.closed_with_company();
        }
        lead.land(evidence, Landing::Value(Bytes::copy_from_slice(&[version])));
        let state = if held { State::Commits(lead, evidence, version) } else { State::Done };
        returns(state, read, version, format!("lands version {version}"))
    }
}

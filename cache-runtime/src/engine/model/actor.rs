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
use crate::engine::flight::{
    Arrival, Caller, Enter, Evidence, Group, Landing, Lead, Moment, Patience, Reach, Seat, Waited,
};
use crate::entry::Token;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Calls the function in the process of the flights.
    Caller,
    /// Likewise, and may stop being polled before its function runs.
    Stuck,
    /// Likewise, and the store refuses it a lease.
    Refused,
    /// Likewise, and its look fails, while the circuit breaker is closed.
    Failing,
    /// Likewise, and the circuit breaker shuts it out.
    ShutOut,
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
            Self::Caller | Self::Stuck | Self::Refused | Self::Failing | Self::ShutOut => "caller",
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
    pub(super) reach: Reach,
    /// The newest version whose invalidation had finished when it began.
    pub(super) owes: u8,
}

/// What an actor may do.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    GoOn,
    /// Drop the call.
    GoAway,
    /// Not be polled for so long that the leader is overdue.
    Stall,
}

pub(super) enum State {
    Idle,
    Looks(Read),
    Enters(Read),
    Waits(Read, Seat),
    /// Leads, and asks for the lease.
    Leads(Read, Lead),
    /// Leads, cannot have the lease, and waits for the run before its own.
    Queues(Read, Lead),
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
    /// Whether it has stalled.
    pub(super) stalled: bool,
}

/// For longer than a test takes.
pub(super) fn patience() -> Patience {
    Patience { limit: Duration::from_secs(60), since: clock::now(), lateness: Duration::ZERO }
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
        Self { me, role, state: State::Idle, stalled: false }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// What it may do next. To wait for something that has not come is found out by trying.
    pub(super) fn choices(&self) -> &'static [Choice] {
        match self.state {
            State::Done => &[],
            State::Lands(..) => &[Choice::GoOn, Choice::GoAway],
            State::Leads(..) | State::Starts(..) if self.role == Role::Stuck && !self.stalled => {
                &[Choice::GoOn, Choice::Stall]
            }
            _ => &[Choice::GoOn],
        }
    }

    pub(super) fn play(&mut self, choice: Choice, world: &mut World) -> Played {
        let state = std::mem::replace(&mut self.state, State::Done);
        let (state, played) = match (choice, state) {
            (Choice::GoAway, state) => {
                world.running -= 1;
                drop(state);
                on(State::Done, "goes away")
            }
            (Choice::Stall, state) => {
                if let State::Leads(_, lead) | State::Starts(_, lead, _) = &state {
                    lead.stalls();
                }
                self.stalled = true;
                on(state, "is not polled any more")
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
        let read = Read { at: world.flights.now(), saw: None, reach: Reach::Asks, owes: world.finished };
        match self.role {
            Role::Caller | Role::Stuck | Role::Refused => on(State::Looks(read), "arrives"),
            Role::Failing => on(State::Enters(Read { reach: Reach::Failed, ..read }), "arrives, and its look fails"),
            Role::ShutOut => {
                on(State::Enters(Read { reach: Reach::ShutOut, ..read }), "arrives, and the breaker shuts it out")
            }
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
            State::Enters(read) => Self::enters(read, world),
            State::Waits(read, seat) => Self::waits(read, seat, world),
            State::Leads(read, lead) => self.leads(read, lead, world),
            State::Queues(read, lead) => Self::queues(read, lead, world),
            State::Found(read, lead, since, entry) => Self::lands_what_it_found(read, lead, (since, entry), world),
            State::Starts(read, lead, lease) => Self::starts(read, lead, lease, world),
            State::Lands(read, lead, evidence, version) => {
                world.running -= 1;
                self.lands(read, lead, evidence, version)
            }
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
                world.ended = true;
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

    fn arrival(read: Read, rule: Rule) -> Arrival {
        let reach = if rule == Rule::AnyFlight { Reach::ShutOut } else { read.reach };
        Arrival { at: read.at, saw: read.saw, reach }
    }

    fn enters(read: Read, world: &World) -> Turn {
        let arrival = Self::arrival(read, world.rule);
        match world.flights.enter(&KEY.into(), Caller { group: Group::default(), arrival, patience: patience() }) {
            Enter::Wait(seat) => on(State::Waits(read, seat), "joins a flight"),
            Enter::Lead(lead) => on(State::Leads(read, lead), "leads a flight"),
        }
    }

    fn waits(read: Read, mut seat: Seat, world: &World) -> Turn {
        let arrival = Self::arrival(read, world.rule);
        let Some(waited) = seat.landing(arrival, patience()).now_or_never() else {
            return (State::Waits(read, seat), None);
        };
        let again = if read.reach == Reach::Asks { State::Looks(read) } else { State::Enters(read) };
        match waited {
            Waited::Landed(evidence, Landing::Value(bytes)) => {
                if world.rule == Rule::AnyLanding || arrival.accepts(evidence) {
                    return returns(State::Done, read, bytes[0], "takes the landing");
                }
                on(again, "may not take the landing")
            }
            Waited::Landed(..) => on(again, "was abandoned"),
            Waited::Overdue => on(again, "leaves its leader, which is overdue"),
            Waited::Limit => on(again, "has waited up to its limit"),
        }
    }

    fn leads(&self, read: Read, lead: Lead, world: &mut World) -> Turn {
        if read.reach == Reach::Failed {
            return on(State::Queues(read, lead), "goes without the store");
        }
        if read.reach == Reach::ShutOut {
            return on(State::Starts(read, lead, None), "goes without the store");
        }
        if let Some(lease) = read.saw {
            if !lead.passes(lease) {
                return on(State::Starts(read, lead, read.saw), "goes without a lease");
            }
            world.displace(lease);
        }
        if self.role == Role::Refused {
            let read = Read { saw: None, reach: Reach::Failed, ..read };
            return on(State::Queues(read, lead), "asks for the lease, and is refused");
        }
        lead.asks(self.token());
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
                let state = if lead.passes(entry.token) {
                    State::Leads(read, lead)
                } else {
                    State::Starts(read, lead, read.saw)
                };
                on(state, "asks for the lease, and sees another's")
            }
        }
    }

    fn queues(read: Read, lead: Lead, world: &World) -> Turn {
        let until = clock::now() + patience().limit;
        if world.rule != Rule::NoQueue && lead.comes_next(until).now_or_never().is_none() {
            return (State::Queues(read, lead), None);
        }
        on(State::Starts(read, lead, None), "comes next")
    }

    fn starts(read: Read, lead: Lead, lease: Option<Token>, world: &mut World) -> Turn {
        let alone = read.reach != Reach::Failed || world.ended || world.running == 0;
        world.running += 1;
        let evidence = lead.loading(lease);
        let version = world.origin;
        let what = format!("starts the function, which loads {version}");
        let right = if alone { Ok(()) } else { Err(format!("{what}, beside another run")) };
        (State::Lands(read, lead, evidence, version), Some((what, right)))
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

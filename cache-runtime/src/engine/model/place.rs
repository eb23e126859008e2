//! What tells states apart: where everybody is, and which flight is whose.
//!
//! The flights do not say which is which, so they are asked by what they do, which ends the play: every leader lands a
//! value of its own, and whoever is or comes in a flight then sees whose it is.

use std::mem::{Discriminant, discriminant};

use bytes::Bytes;
use futures_util::FutureExt;

use super::actor::{Actor, Read, State, patience};
use super::world::{Entry, KEY, World};
use crate::engine::single_flight::{Arrival, Enter, Evidence, Group, Landing, Lead, Moment, Seat};
use crate::entry::Token;

/// Above all versions: the landing of the leader with this number less.
const MARK: u8 = 100;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Whole {
    entry: Option<Entry>,
    versions: (u8, u8),
    /// Whose flight a caller may join.
    open: Option<u8>,
    places: Vec<Place>,
}

/// Where an actor is. Of moments only the order counts.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    state: Discriminant<State>,
    read: Option<(usize, Option<Token>, u8)>,
    since: Option<usize>,
    lease: Option<Token>,
    /// The version that it has, or the mark of the flight that it waits for.
    version: Option<u8>,
}

/// What an actor carries with it.
#[derive(Clone, Copy, Default)]
struct Load<'a> {
    read: Option<&'a Read>,
    lead: Option<&'a Lead>,
    since: Option<Moment>,
    lease: Option<Token>,
    version: Option<u8>,
}

impl<'a> Load<'a> {
    fn of(state: &'a State) -> Self {
        let none = Self::default();
        match state {
            State::Idle | State::Done | State::AskedOnce => none,
            State::Looks(read) | State::Enters(read) | State::Waits(read, _) => Self { read: Some(read), ..none },
            State::Leads(read, lead) => Self { read: Some(read), lead: Some(lead), ..none },
            State::Found(read, lead, since, Entry { token, version, .. }) => {
                let (since, lease) = (Some(*since), Some(*token));
                Self { read: Some(read), lead: Some(lead), since, lease, version: *version }
            }
            State::Starts(read, lead, lease) => Self { read: Some(read), lead: Some(lead), lease: *lease, ..none },
            State::Lands(read, lead, evidence, version) => {
                Self { read: Some(read), ..none }.loaded(lead, evidence, *version)
            }
            State::Commits(lead, evidence, version) => none.loaded(lead, evidence, *version),
            State::CommitsElsewhere(version) | State::EndsFlights(version) => Self { version: Some(*version), ..none },
        }
    }

    fn or(self, landed: Landed) -> Self {
        let (since, lease) = (self.since.or(landed.since), self.lease.or(landed.lease));
        Self { since, lease, version: self.version.or(landed.version), ..self }
    }

    fn loaded(self, lead: &'a Lead, evidence: &Evidence, version: u8) -> Self {
        let (since, lease) = (Some(evidence.since), evidence.lease);
        Self { lead: Some(lead), since, lease, version: Some(version), ..self }
    }
}

/// Takes the play apart.
pub(super) fn whole(world: &World, actors: &mut [Actor]) -> Whole {
    for (number, actor) in (0..).zip(&*actors) {
        if let Some(lead) = Load::of(&actor.state).lead {
            let evidence = Evidence { since: world.flights.now(), lease: None };
            lead.land(evidence, Landing::Value(Bytes::copy_from_slice(&[MARK + number])));
        }
    }
    let open = match world.flights.enter(&KEY.into(), Group::default(), anybody(world)) {
        Enter::Wait(mut seat) => landed(&mut seat).version,
        Enter::Lead(_) => None,
    };
    let waiting: Vec<_> = actors.iter_mut().map(|actor| waits_for(&mut actor.state)).collect();
    let loads = actors.iter().map(|actor| Load::of(&actor.state)).zip(&waiting);
    let loads: Vec<_> = loads.map(|(load, landed)| load.or(*landed)).collect();
    let mut moments: Vec<_> =
        loads.iter().flat_map(|load| [load.read.map(|read| read.at), load.since]).flatten().collect();
    moments.sort_unstable();
    moments.dedup();
    let rank = |moment: Moment| moments.partition_point(|other| *other < moment);
    let place = |(actor, load): (&Actor, &Load<'_>)| Place {
        state: discriminant(&actor.state),
        read: load.read.map(|read| (rank(read.at), read.saw, read.owes)),
        since: load.since.map(rank),
        lease: load.lease,
        version: load.version,
    };
    let places = actors.iter().zip(&loads).map(place).collect();
    Whole { entry: world.entry, versions: (world.origin, world.finished), open, places }
}

/// Joins whatever flight there is.
fn anybody(world: &World) -> Arrival {
    Arrival { at: world.flights.now(), saw: None, blind: true }
}

fn waits_for(state: &mut State) -> Landed {
    if let State::Waits(_, seat) = state { landed(seat) } else { Landed::default() }
}

/// What whoever sits in a flight sees: the mark of one that is under way, or what one that is over has landed. Of one
/// that was abandoned, nothing.
#[derive(Clone, Copy, Default)]
struct Landed {
    since: Option<Moment>,
    lease: Option<Token>,
    version: Option<u8>,
}

fn landed(seat: &mut Seat) -> Landed {
    let Some((evidence, Landing::Value(bytes))) = seat.landing(patience()).now_or_never().flatten() else {
        return Landed::default();
    };
    let version = Some(bytes[0]);
    if bytes[0] >= MARK {
        return Landed { version, ..Landed::default() };
    }
    Landed { since: Some(evidence.since), lease: evidence.lease, version }
}

//! What tells states apart: where everybody is, and which flight is whose.

use std::mem::{Discriminant, discriminant};

use super::actor::{Actor, Read, State};
use super::world::{Entry, KEY, World};
use crate::engine::flight::{Evidence, Landing, Lead, Moment, Reach, Seat};
use crate::entry::Token;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Whole {
    entry: Option<Entry>,
    versions: (u8, u8),
    ended: bool,
    /// Whose the flights are, and of each whether it is closed and whether it is superseded.
    flights: Vec<(Option<usize>, bool, bool)>,
    places: Vec<Place>,
}

/// Where an actor is. Of moments only the order counts.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    state: Discriminant<State>,
    stalled: bool,
    read: Option<(usize, Option<Token>, u8, Reach)>,
    since: Option<usize>,
    lease: Option<Token>,
    version: Option<u8>,
    /// The leases that its flight passed.
    passed: Vec<Token>,
    /// Whose flight it waits for.
    waits_for: Option<usize>,
    /// What its flight has landed, and what another run has landed for it.
    seen: [Option<Seen>; 2],
}

/// Since when, under which lease, and which version; none where a flight was abandoned.
type Seen = (usize, Option<Token>, Option<u8>);

/// What an actor carries with it.
#[derive(Clone, Copy, Default)]
struct Load<'a> {
    read: Option<&'a Read>,
    lead: Option<&'a Lead>,
    seat: Option<&'a Seat>,
    since: Option<Moment>,
    lease: Option<Token>,
    version: Option<u8>,
}

impl<'a> Load<'a> {
    fn of(state: &'a State) -> Self {
        let none = Self::default();
        match state {
            State::Idle | State::Done | State::AskedOnce => none,
            State::Looks(read) | State::Enters(read) => Self { read: Some(read), ..none },
            State::Waits(read, seat) => Self { read: Some(read), seat: Some(seat), ..none },
            State::Leads(read, lead) | State::Queues(read, lead) => Self { read: Some(read), lead: Some(lead), ..none },
            State::Found(read, lead, since, Entry { token, version, .. }) => {
                let (since, lease) = (Some(*since), Some(*token));
                Self { read: Some(read), lead: Some(lead), since, lease, version: *version, ..none }
            }
            State::Starts(read, lead, lease) => Self { read: Some(read), lead: Some(lead), lease: *lease, ..none },
            State::Lands(read, lead, evidence, version) => {
                Self { read: Some(read), ..none }.loaded(lead, evidence, *version)
            }
            State::Commits(lead, evidence, version) => none.loaded(lead, evidence, *version),
            State::CommitsElsewhere(version) | State::EndsFlights(version) => Self { version: Some(*version), ..none },
        }
    }

    fn loaded(self, lead: &'a Lead, evidence: &Evidence, version: u8) -> Self {
        let (since, lease) = (Some(evidence.since), evidence.lease);
        Self { lead: Some(lead), since, lease, version: Some(version), ..self }
    }

    fn moments(&self) -> impl Iterator<Item = Moment> {
        let seen = self.seat.map(Seat::seen).unwrap_or_default();
        let seen = seen.into_iter().flatten().map(|(evidence, _)| evidence.since);
        seen.chain(self.read.map(|read| read.at)).chain(self.since)
    }
}

/// Looks at the play from outside.
pub(super) fn whole(world: &World, actors: &[Actor]) -> Whole {
    let loads: Vec<_> = actors.iter().map(|actor| Load::of(&actor.state)).collect();
    let mut moments: Vec<_> = loads.iter().flat_map(Load::moments).collect();
    moments.sort_unstable();
    moments.dedup();
    let rank = |moment: Moment| moments.partition_point(|other| *other < moment);
    let seen = |(evidence, landing): (Evidence, Landing)| {
        let version = if let Landing::Value(bytes) = landing { Some(bytes[0]) } else { None };
        (rank(evidence.since), evidence.lease, version)
    };
    let in_lead: Vec<_> = loads.iter().map(|load| load.lead).collect();
    let waits_for = |seat: &Seat| in_lead.iter().position(|lead| lead.is_some_and(|lead| lead.has(seat)));
    let place = |(actor, load): (&Actor, &Load<'_>)| Place {
        state: discriminant(&actor.state),
        stalled: actor.stalled,
        read: load.read.map(|read| (rank(read.at), read.saw, read.owes, read.reach)),
        since: load.since.map(rank),
        lease: load.lease,
        version: load.version,
        passed: load.lead.map(|lead| lead.passed().to_vec()).unwrap_or_default(),
        waits_for: load.seat.and_then(waits_for),
        seen: load.seat.map(Seat::seen).unwrap_or_default().map(|found| found.map(seen)),
    };
    Whole {
        entry: world.entry,
        versions: (world.origin, world.finished),
        ended: world.ended,
        flights: world.flights.listed(KEY, &in_lead),
        places: actors.iter().zip(&loads).map(place).collect(),
    }
}

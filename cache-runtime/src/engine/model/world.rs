//! One process with its real flights, the store as far as it matters here, and what others do to the key meanwhile.

use std::sync::Arc;
use std::time::Duration;

use super::actor::{Actor, Choice, Role};
use super::place::{Whole, whole};
use crate::engine::flight::SingleFlight;
use crate::entry::Token;
use crate::explore::{Model, Next};

pub(super) const KEY: &str = "k";

/// In virtual time that stands still, no leader is overdue that has not stalled.
const DEADLINE: Duration = Duration::from_secs(1);

/// How callers decide what they may take: as they should, or broken in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    Strict,
    /// Any flight, as one who cannot ask the store.
    AnyFlight,
    /// The landing of any flight that was joined before its function started.
    AnyLanding,
    /// What a leader found in the store counts from the answer on, not from the question.
    SinceTheAnswer,
    /// A caller that cannot have the lease starts its function at once.
    NoQueue,
}

/// What stands at the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) token: Token,
    pub(super) leased: bool,
    pub(super) version: Option<u8>,
}

/// Everything, while it is played.
pub(super) struct World {
    pub(super) rule: Rule,
    pub(super) flights: Arc<SingleFlight>,
    pub(super) entry: Option<Entry>,
    /// The newest version that was written.
    pub(super) origin: u8,
    /// The newest version whose invalidation has finished.
    pub(super) finished: u8,
    /// How many functions run.
    pub(super) running: u8,
    /// Whether an invalidation has ended the flights.
    pub(super) ended: bool,
}

impl World {
    /// A read returns this version, and owes at least that one.
    pub(super) fn returns(version: u8, owes: u8) -> Result<(), String> {
        if version >= owes {
            return Ok(());
        }
        Err(format!("returns {version}, though {owes} was invalidated before it began"))
    }

    /// Gives the lease where nothing is, else what is there.
    pub(super) fn lease(&mut self, token: Token) -> Option<Entry> {
        let found = self.entry;
        self.entry = found.or(Some(Entry { token, leased: true, version: None }));
        found
    }

    /// A lease that an overdue leader asked for makes room for another one.
    pub(super) fn displace(&mut self, token: Token) {
        self.entry = self.entry.filter(|entry| entry.token != token || entry.version.is_some());
    }

    pub(super) fn commit(&mut self, token: Token, version: u8) {
        if self.entry.is_some_and(|entry| entry.leased && entry.token == token) {
            self.entry = Some(Entry { token, leased: false, version: Some(version) });
        }
    }
}

/// Who does something, and which of the things that it may do.
#[derive(Clone, Copy)]
struct Step {
    actor: usize,
    choice: Choice,
}

/// A way through the model. The flights are real, and cannot be copied: a state is played anew from the start.
pub(super) struct Play {
    rule: Rule,
    cast: Vec<Role>,
    steps: Vec<Step>,
    /// What may come next.
    choices: Vec<Step>,
    key: Option<Whole>,
}

impl Play {
    pub(super) fn new(rule: Rule, cast: &[Role]) -> Self {
        let actors: Vec<_> = cast.iter().enumerate().map(|(me, role)| Actor::new(me, *role)).collect();
        Self { rule, cast: cast.to_vec(), steps: Vec::new(), choices: choices(&actors), key: None }
    }

    fn replay(&self) -> (World, Vec<Actor>) {
        let flights = Arc::new(SingleFlight::new(DEADLINE));
        let mut world =
            World { rule: self.rule, flights, entry: None, origin: 0, finished: 0, running: 0, ended: false };
        let mut actors: Vec<_> = self.cast.iter().enumerate().map(|(me, role)| Actor::new(me, *role)).collect();
        for step in &self.steps {
            let played = actors[step.actor].play(step.choice, &mut world);
            assert!(played.is_some_and(|(_, then)| then.is_ok()), "a step that was played can be played again");
        }
        (world, actors)
    }

    /// What follows where this step comes next; `None` where it cannot.
    fn then(&self, step: Step) -> Option<Next<Self>> {
        let (mut world, mut actors) = self.replay();
        let (what, then) = actors[step.actor].play(step.choice, &mut world)?;
        let name = format!("{} {}", actors[step.actor].role.word(), ["A", "B", "C", "D", "E"][step.actor]);
        let then = then.map_err(|why| format!("{name} {why}")).map(|()| {
            let steps = self.steps.iter().copied().chain([step]).collect();
            let choices = choices(&actors);
            Self { rule: self.rule, cast: self.cast.clone(), steps, choices, key: Some(whole(&world, &actors)) }
        });
        Some(Next { step: format!("{name} {what}"), then })
    }
}

impl Model for Play {
    type Key = Option<Whole>;

    fn key(&self) -> Self::Key {
        self.key.clone()
    }

    fn next(&self) -> Vec<Next<Self>> {
        self.choices.iter().filter_map(|step| self.then(*step)).collect()
    }
}

/// What may come next. Of two who do the same the first one begins first: else every way would be looked at twice.
fn choices(actors: &[Actor]) -> Vec<Step> {
    let in_turn = |actor: usize| {
        let before = actors[..actor].iter().rev().find(|other| other.role == actors[actor].role);
        !actors[actor].is_idle() || before.is_none_or(|other| !other.is_idle())
    };
    let of = |actor: usize| actors[actor].choices().iter().map(move |choice| Step { actor, choice: *choice });
    (0..actors.len()).filter(|actor| in_turn(*actor)).flat_map(of).collect()
}

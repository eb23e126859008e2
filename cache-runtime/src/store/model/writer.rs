//! A writer, which begins, changes the origin and ends; and what may happen to its commands on their way.
//!
//! A command is executed and answered; or it is executed and the answer is lost; or it is executed later, or never, and
//! its writer cannot tell. A command that the connection sends again may be executed twice, the first copy after the
//! second.

use std::time::Duration;

use super::actor::{LEASE, Role, State};
use super::world::{NOW, World, value};
use crate::clock::Timestamp;
use crate::entry::{Token, Writing};
use crate::explore::Next;
use crate::store::{EndRequest, WriteRequest};

/// What a writer leaves when its function succeeds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Leaves {
    /// The new value.
    Value,
    /// Nothing: an eviction that begins before the function.
    Nothing,
}

/// How often a writer asks to begin: each time under a generation of its own.
const ATTEMPTS: u8 = 2;

/// How far a writer is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Write {
    Begins { attempt: u8 },
    Changes { generation: Token },
    Ends(End),
}

impl Write {
    pub(super) const FIRST: Self = Self::Begins { attempt: 0 };
}

/// What a writer that ends has done: the version that it wrote, if it did, and whether that is a value to store.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct End {
    generation: Token,
    version: Option<u8>,
    stores: bool,
}

/// A command on its way.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Command {
    Begin { writer: usize, attempt: u8 },
    End { writer: usize, generation: [u8; 8], stored: Option<u8> },
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::End { .. } => "end",
        }
    }

    pub(super) fn writer(&self) -> usize {
        match self {
            Self::Begin { writer, .. } | Self::End { writer, .. } => *writer,
        }
    }

    /// Executes the command. Returns the generation that a begin is answered with.
    fn execute(&self, world: &mut World) -> Token {
        match *self {
            Self::Begin { writer, attempt } => {
                let request = WriteRequest::new(id(writer), generation(writer, attempt), LEASE, NOW);
                let (generation, change) = (world.rules.begin)(world.entry.as_deref(), Some(LEASE), &request);
                world.apply(change, writer);
                generation
            }
            Self::End { writer, generation, stored } => {
                let entry = |version| (value(1, Token(generation), version), Duration::ZERO);
                let request = EndRequest::new(id(writer), Token(generation), stored.map(entry));
                let (_, change) = (world.rules.end)(world.entry.as_deref(), &request);
                world.apply(change, writer);
                Token(generation)
            }
        }
    }
}

/// The id of a writer in the store.
pub(super) fn id(writer: usize) -> Token {
    Token([0x80 | u8::try_from(writer).expect("few actors"); 8])
}

fn generation(writer: usize, attempt: u8) -> Token {
    let number = 0x40 | u8::try_from(writer).expect("few actors") << 1 | attempt;
    Token([number, number, number, number, 0, 0, 0, 0])
}

/// All that a writer may do next.
pub(super) fn next(write: &Write, me: usize, world: &World, next: &mut Vec<Next<World>>) {
    match *write {
        Write::Begins { attempt } => {
            let again = (attempt + 1 < ATTEMPTS).then_some(State::Writes(Write::Begins { attempt: attempt + 1 }));
            let command = Command::Begin { writer: me, attempt };
            let goes_on = |world: &mut World, generation| {
                world.lost &= !(1 << me);
                State::Writes(Write::Changes { generation })
            };
            let way = Way { is_sent_again: world.rules.begins_are_sent_again, again, gives_up: State::WritesWithout };
            sends(&command, way, goes_on, world, next);
        }
        Write::Changes { generation } => changes(generation, me, world, next),
        Write::Ends(end) => {
            let End { generation, version, stores } = end;
            let command = Command::End { writer: me, generation: generation.0, stored: version.filter(|_| stores) };
            let again = Some(State::Writes(Write::Ends(end)));
            let goes_on = |world: &mut World, _| {
                world.finished = world.finished.max(version.unwrap_or_default());
                State::Done
            };
            let gives_up = State::Removes { version: version.unwrap_or_default() };
            sends(&command, Way { is_sent_again: true, again, gives_up }, goes_on, world, next);
        }
    }
    // Being killed before it has begun makes no difference.
    if world.mishaps > 0 && !matches!(write, Write::Begins { .. }) {
        next.push(world.step(me, "is killed", |world| {
            world.mishaps -= 1;
            Ok(State::Dead)
        }));
    }
}

fn changes(generation: Token, me: usize, world: &World, next: &mut Vec<Next<World>>) {
    let ends = |version, stores| Ok(State::Writes(Write::Ends(End { generation, version, stores })));
    let is_put = world.actors[me].role == Role::Writer(Leaves::Value);
    let writes = |world: &mut World| {
        world.origin += 1;
        world.wrote[me] = world.origin;
        world.origin
    };
    let what = format!("writes version {}", world.origin + 1);
    next.push(world.step(me, &what, |world| ends(Some(writes(world)), is_put)));
    if world.mishaps > 0 {
        // The writer does not know that it has written.
        next.push(world.step(me, &format!("{what}, and fails"), |world| {
            world.mishaps -= 1;
            ends(Some(writes(world)), false)
        }));
        next.push(world.step(me, "fails", |world| {
            world.mishaps -= 1;
            ends(None, false)
        }));
    }
}

/// What becomes of a writer whose command is not answered.
struct Way {
    /// Whether the connection sends the command once more by itself.
    is_sent_again: bool,
    /// The writer asks again.
    again: Option<State>,
    /// The writer gives up: it removes the entry once the origin has changed.
    gives_up: State,
}

/// Sends a command, which is answered or not.
fn sends(
    command: &Command,
    way: Way,
    goes_on: impl Fn(&mut World, Token) -> State,
    world: &World,
    next: &mut Vec<Next<World>>,
) {
    let (me, name) = (command.writer(), command.name());
    next.push(world.step(me, &format!("sends {name}, and is answered"), |world| {
        let generation = command.execute(world);
        Ok(goes_on(world, generation))
    }));
    if world.mishaps == 0 {
        return;
    }
    if way.is_sent_again {
        next.push(world.step(me, &format!("sends {name} twice, and the first one is late"), |world| {
            let generation = command.execute(world);
            world.delay(command.clone());
            Ok(goes_on(world, generation))
        }));
    }
    for (what, state) in [("asks again", way.again), ("gives up", Some(way.gives_up))] {
        let Some(state) = state else { continue };
        next.push(world.step(me, &format!("sends {name}, is not answered, and {what}"), |world| {
            command.execute(world);
            world.mishaps -= 1;
            Ok(state.clone())
        }));
        next.push(world.step(me, &format!("sends {name}, which is late, and {what}"), |world| {
            world.delay(command.clone());
            Ok(state.clone())
        }));
    }
}

/// Executes the commands that are late.
pub(super) fn late(world: &World, next: &mut Vec<Next<World>>) {
    for (number, command) in world.late.iter().enumerate() {
        let step = format!("the late {} of {} comes", command.name(), world.name(command.writer()));
        let mut then = world.clone();
        then.late.remove(number);
        command.execute(&mut then);
        then.has_late |= 1 << command.writer();
        next.push(Next { step, then: then.checked() });
    }
}

/// Lets the deadline pass of a writer that has been killed, or has left its place behind.
pub(super) fn decays(world: &World, next: &mut Vec<Next<World>>) {
    let Some(writing) = world.entry.as_deref().and_then(Writing::decode) else { return };
    for number in 0..world.actors.len() {
        let is_over = matches!(world.actors[number].state, State::Dead | State::Done);
        if is_over && writing.deadline_of(id(number)).is_some_and(|until| until != Timestamp::default()) {
            let mut then = world.clone();
            then.set(Some(writing.clone().overdue(id(number)).encode()), None);
            next.push(Next { step: format!("the deadline of {} passes", world.name(number)), then: Ok(then) });
        }
    }
}

//! Every interleaving of a small model: breadth first, each state once, so that the first counterexample is a shortest
//! one.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

/// A state of the model, or the way to it.
pub(crate) trait Model: Sized {
    /// What tells states apart: what follows from two equal ones is the same.
    type Key: Eq + Hash;

    fn key(&self) -> Self::Key;

    /// Each thing that can happen next, by whoever does it.
    fn next(&self) -> Vec<Next<Self>>;
}

/// A thing that happens.
pub(crate) struct Next<M> {
    /// `fill A takes the lease`
    pub(crate) step: String,
    /// What is then, or which property is broken.
    pub(crate) then: Result<M, String>,
}

/// What an exploration came to.
#[derive(Debug)]
pub(crate) enum Found {
    /// No property is broken in any of so many states.
    Nothing { states: usize },
    /// This is how one is broken.
    Counterexample(Counterexample),
}

/// The shortest way to a broken property.
#[derive(Debug)]
pub(crate) struct Counterexample {
    steps: Vec<String>,
    broken: String,
}

impl Counterexample {
    /// Which property is broken.
    pub(crate) fn broken(&self) -> &str {
        &self.broken
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}. {step}", number + 1)?;
        }
        writeln!(f, "  => {}", self.broken)
    }
}

impl Found {
    /// The states that were looked at, all of them fine.
    #[track_caller]
    pub(crate) fn nothing(self) -> usize {
        match self {
            Self::Nothing { states } => states,
            Self::Counterexample(found) => panic!("a property is broken:\n{found}"),
        }
    }

    /// The counterexample that a broken rule must have.
    #[track_caller]
    pub(crate) fn counterexample(self) -> Counterexample {
        match self {
            Self::Nothing { states } => panic!("no property is broken in {states} states"),
            Self::Counterexample(found) => {
                println!("{found}");
                found
            }
        }
    }
}

/// Looks at every state that can be reached from `start`.
pub(crate) fn explore<M: Model>(start: M) -> Found {
    let mut seen = HashSet::from([start.key()]);
    // Each state with the one it was reached from, and the step.
    let mut states = vec![(start, 0, String::new())];
    let mut at = 0;
    while at < states.len() {
        for Next { step, then } in states[at].0.next() {
            match then {
                Ok(state) => {
                    if seen.insert(state.key()) {
                        states.push((state, at, step));
                    }
                }
                Err(broken) => {
                    let mut steps = vec![step];
                    while at != 0 {
                        steps.push(std::mem::take(&mut states[at].2));
                        at = states[at].1;
                    }
                    steps.reverse();
                    return Found::Counterexample(Counterexample { steps, broken });
                }
            }
        }
        at += 1;
    }
    Found::Nothing { states: states.len() }
}

//! Sweeps: the removal of everything that a cache has stored, in steps, where a store can list its keys.

use std::sync::Arc;
use std::time::Duration;

use super::redis::{ServerId, Survey};
use super::{Backend, Node, Store};
use crate::error::Error;
use crate::runtime;

/// How far the clock of a server is known, by two processes together: each asks for its time when it connects, for up to
/// two seconds, and takes it to be of the middle.
const SERVER_CLOCK_ERROR: Duration = Duration::from_secs(2);

/// How far the clocks of two machines may differ that nobody sets by the store.
const MACHINE_CLOCK_ERROR: Duration = Duration::from_secs(60);

/// What a step of a sweep came to: see [`Store::sweep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// Keys are left: the next step is called with this number.
    More(u64),
    /// The sweep has gone through all keys.
    Done,
    /// The store cannot list its keys, and nothing was removed.
    Unsupported,
}

/// One pass over all keys: what each server has to do, and which server has which keys.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    pub(super) survey: Option<Survey>,
}

/// What one server has to do.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// The node of a cluster.
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) position: Position,
}

/// How far a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(super) cursor: u64,
    /// Who counts like that, where a server may be replaced by another one.
    pub(super) server: Option<ServerId>,
}

impl Position {
    pub(crate) fn is_start(&self) -> bool {
        self.cursor == 0
    }
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    More(Position),
    /// Another server is there by now: its part begins anew.
    Anew,
    Done,
    Unsupported,
}

impl From<Swept> for Step {
    fn from(swept: Swept) -> Self {
        match swept {
            Swept::More(cursor) => Self::More(Position { cursor, server: None }),
            Swept::Done => Self::Done,
            Swept::Unsupported => Self::Unsupported,
        }
    }
}

impl Backend {
    /// Finds out what there is to sweep.
    pub(crate) async fn plan_sweep(&self) -> Result<Plan, Error> {
        match self {
            Self::Redis(store) => store.plan_sweep().await,
            Self::Memory(_) | Self::Own(_) => Ok(Plan { parts: vec![Part::default()], survey: None }),
        }
    }

    /// Removes the entries under about `count` keys that begin with `prefix`.
    pub(crate) async fn sweep_part(&self, part: &Part, prefix: &str, count: usize) -> Result<Step, Error> {
        match self {
            Self::Redis(store) => store.sweep_part(part, prefix, count).await,
            Self::Memory(memory) => memory.sweep(prefix, part.position.cursor).await.map(Step::from),
            Self::Own(own) => {
                runtime::current()?;
                own.erased().sweep(prefix, part.position.cursor).await.map(Step::from)
            }
        }
    }

    /// Whether the servers still have the keys that they had when the pass was planned.
    pub(crate) async fn verify_sweep(&self, plan: &mut Plan) -> Result<bool, Error> {
        match (self, &mut plan.survey) {
            (Self::Redis(store), Some(survey)) => store.verify(survey).await,
            _ => Ok(true),
        }
    }

    /// By how much the times of an entry at this key may be wrong that another process wrote.
    pub(crate) fn clock_error(&self, key: &str) -> Duration {
        match self {
            Self::Redis(store) if store.has_clock(key) => SERVER_CLOCK_ERROR,
            Self::Memory(_) => Duration::ZERO,
            Self::Redis(_) | Self::Own(_) => MACHINE_CLOCK_ERROR,
        }
    }
}

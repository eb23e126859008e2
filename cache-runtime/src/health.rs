//! How a cache fares: for a readiness probe and an alert.

use std::fmt;
use std::time::Duration;

/// Whether a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It answers.
    Up = 0,
    /// It failed so often that it is not asked; a task probes it. Functions run without it.
    Down = 1,
    /// It answers again, and gets a growing share of the calls.
    Recovering = 2,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Recovering => "recovering",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a cache fares, at one moment. An application is ready whatever this says: without its store it is slower, and its
/// answers are right.
///
/// Printed, it is one line, without secrets.
#[derive(Clone, Debug)]
pub struct Health {
    pub(crate) state: State,
    pub(crate) since: Duration,
    pub(crate) why: Option<String>,
    pub(crate) owed: usize,
    pub(crate) owed_error: Option<String>,
    pub(crate) degraded: u64,
}

impl Health {
    /// The state of the store.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// For how long it is in that state.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Why the store was given up, where it is not up.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// How many invalidations failed and are still to be repeated.
    #[must_use]
    pub fn owed_invalidations(&self) -> usize {
        self.owed
    }

    /// Why the last try of an invalidation that is owed failed.
    #[must_use]
    pub fn owed_error(&self) -> Option<&str> {
        self.owed_error.as_deref()
    }

    /// How many calls went without the store, since the cache was built.
    #[must_use]
    pub fn degraded_calls(&self) -> u64 {
        self.degraded
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:.0?}", self.state, self.since)?;
        if let Some(why) = &self.why {
            write!(f, " ({why})")?;
        }
        write!(f, ", {} invalidations owed", self.owed)?;
        if let Some(error) = &self.owed_error {
            write!(f, " ({error})")?;
        }
        write!(f, ", {} calls degraded", self.degraded)
    }
}

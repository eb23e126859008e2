//! How a cache fares: for a readiness probe and an alert.

mod pending;

use std::fmt;
use std::time::Duration;

pub use self::pending::{PendingInvalidations, Sweep};

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

    /// The worst comes first.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Down => 0,
            Self::Recovering => 1,
            Self::Up => 2,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one server of a store fares.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) since: Duration,
    pub(crate) why: Option<String>,
}

impl Server {
    /// The address of a server, or the kind of another store.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is asked.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// For how long it is in that state.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Why it was given up, where it is not up.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:.0?}", self.state, self.since)?;
        self.why.iter().try_for_each(|why| write!(f, " ({why})"))
    }
}

/// How a cache fares, at one moment. An application is ready whatever this says: without its store it is slower, and its
/// answers are right.
///
/// Printed, it is one line, without secrets.
#[derive(Clone, Debug)]
pub struct Health {
    /// The worst comes first.
    pub(crate) servers: Vec<Server>,
    pub(crate) pending: PendingInvalidations,
    pub(crate) degraded: u64,
}

impl Health {
    /// The state of the store: that of the server that fares worst.
    #[must_use]
    pub fn state(&self) -> State {
        self.servers.first().map_or(State::Up, Server::state)
    }

    /// For how long that server is in that state.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.servers.first().map(Server::since).unwrap_or_default()
    }

    /// Why that server was given up, where it is not up.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.servers.first().and_then(Server::why)
    }

    /// The servers: the primaries of a cluster once it has been asked, else the one store. The worst comes first.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// How many invalidations failed and have not got through yet, those included that only a sweep will cover: zero is
    /// well. [`pending`](Self::pending) tells them apart.
    #[must_use]
    pub fn pending_invalidations(&self) -> usize {
        self.pending.count()
    }

    /// The invalidations that failed and have not got through yet.
    #[must_use]
    pub fn pending(&self) -> &PendingInvalidations {
        &self.pending
    }

    /// How many calls went without the store, since the cache was built.
    #[must_use]
    pub fn degraded_calls(&self) -> u64 {
        self.degraded
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &self.servers[..] {
            write!(f, "{only}")?;
        } else {
            let up = self.servers.iter().filter(|server| server.state == State::Up).count();
            write!(f, "{up} of {} servers up", self.servers.len())?;
            for server in self.servers.iter().filter(|server| server.state != State::Up) {
                write!(f, ", {} {server}", server.name)?;
            }
        }
        write!(f, ", {}, {} calls degraded", self.pending, self.degraded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, state: State, why: Option<&str>) -> Server {
        Server { name: name.to_owned(), state, since: Duration::from_secs(3), why: why.map(str::to_owned) }
    }

    #[test]
    fn health_is_one_line_that_names_the_servers_that_are_not_up() {
        let mut health = Health {
            servers: vec![server("db:6379", State::Down, Some("refused"))],
            pending: PendingInvalidations {
                kept: 2,
                last_error: Some("no answer".to_owned()),
                ..PendingInvalidations::default()
            },
            degraded: 7,
        };
        assert_eq!(health.to_string(), "down for 3s (refused), 2 pending invalidations (no answer), 7 calls degraded");
        health.pending = PendingInvalidations::default();
        health.servers.push(server("db:6380", State::Up, None));
        assert_eq!(
            health.to_string(),
            "1 of 2 servers up, db:6379 down for 3s (refused), 0 pending invalidations, 7 calls degraded"
        );
        assert_eq!((health.state(), health.why()), (State::Down, Some("refused")));
    }
}

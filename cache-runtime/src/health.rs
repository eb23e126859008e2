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
    /// Nothing was asked of it yet, or it has not been reached since the cache was built; why, if that is known. Its first
    /// answer makes it [`Up`](Self::Up), enough failures [`Down`](Self::Down).
    NotContacted = 3,
    /// The cache is not on the store that the environment names, since that cannot be used; why. It is in this process.
    Misconfigured = 4,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Recovering => "recovering",
            Self::NotContacted => "not yet contacted",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// The worst comes first. A node of a cluster that no key has led to yet says nothing of how the others fare.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Misconfigured => 0,
            Self::Down => 1,
            Self::Recovering => 2,
            Self::Up => 3,
            Self::NotContacted => 4,
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
    pub(crate) refuses_writes: Option<String>,
}

impl Server {
    /// The address of a server, or what another store is: `the in-process store (64 MiB)`.
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

    /// Why it is not up, if that is known.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Why it refuses to write, where it answers and does: it is out of memory, or a replica, or the user may not. Values
    /// are then read and not stored, and in each process one run of a key goes on at a time. A write that succeeds ends
    /// it, a second after the last one that was refused.
    #[must_use]
    pub fn refuses_writes(&self) -> Option<&str> {
        self.refuses_writes.as_deref()
    }

    /// Whether there is nothing to say of it.
    fn is_well(&self) -> bool {
        self.state == State::Up && self.refuses_writes.is_none()
    }

    /// The worst comes first.
    pub(crate) fn rank(&self) -> (u8, bool) {
        (self.state.rank(), self.refuses_writes.is_none())
    }
    /// With what is known of the connections to it.
    pub(crate) fn contacted(mut self, contact: Contact) -> Self {
        if let (State::Up, Contact::Never(why)) = (self.state, contact) {
            (self.state, self.why) = (State::NotContacted, why);
        }
        self
    }
}

/// Whether a server has ever answered.
#[derive(Clone, Debug)]
pub(crate) enum Contact {
    Made,
    /// Not yet; and why the last attempt to connect failed, if there was one.
    Never(Option<String>),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:.0?}", self.state, self.since)?;
        self.why.iter().try_for_each(|why| write!(f, " ({why})"))?;
        self.refuses_writes.iter().try_for_each(|why| write!(f, ", answers and refuses writes ({why})"))
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

    /// Why that server is not up, if that is known.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.servers.first().and_then(Server::why)
    }

    /// Why a server refuses to write, where one answers and does: see [`Server::refuses_writes`]. The state says whether
    /// servers are asked, and is not affected.
    #[must_use]
    pub fn refuses_writes(&self) -> Option<&str> {
        self.servers.iter().find_map(Server::refuses_writes)
    }

    /// With the reason for which the cache is not on the store that it was meant to be on.
    pub(crate) fn misconfigured(mut self, why: &str) -> Self {
        for server in &mut self.servers {
            (server.state, server.why) = (State::Misconfigured, Some(why.to_owned()));
        }
        self
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
            write!(f, "{} {only}", only.name)?;
        } else {
            let up = self.servers.iter().filter(|server| server.state == State::Up).count();
            write!(f, "{up} of {} servers up", self.servers.len())?;
            for server in self.servers.iter().filter(|server| !server.is_well()) {
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
        let (name, why) = (name.to_owned(), why.map(str::to_owned));
        Server { name, state, since: Duration::from_secs(3), why, refuses_writes: None }
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
        assert_eq!(
            health.to_string(),
            "db:6379 down for 3s (refused), 2 pending invalidations (no answer), 7 calls degraded"
        );
        health.pending = PendingInvalidations::default();
        health.servers.push(server("db:6380", State::Up, None));
        assert_eq!(
            health.to_string(),
            "1 of 2 servers up, db:6379 down for 3s (refused), 0 pending invalidations, 7 calls degraded"
        );
        assert_eq!((health.state(), health.why()), (State::Down, Some("refused")));
    }

    #[test]
    fn health_names_the_servers_that_answer_and_refuse_writes() {
        let mut full = server("db:6379", State::Up, None);
        full.refuses_writes = Some("OOM".to_owned());
        let mut health = Health { servers: vec![full], pending: PendingInvalidations::default(), degraded: 7 };
        let refuses = "up for 3s, answers and refuses writes (OOM)";
        assert_eq!(health.to_string(), format!("db:6379 {refuses}, 0 pending invalidations, 7 calls degraded"));
        health.servers.push(server("db:6380", State::Up, None));
        assert_eq!(
            health.to_string(),
            format!("2 of 2 servers up, db:6379 {refuses}, 0 pending invalidations, 7 calls degraded")
        );
        assert_eq!((health.state(), health.refuses_writes()), (State::Up, Some("OOM")));
    }

    #[test]
    fn a_server_that_was_never_reached_is_not_up_and_hides_no_other_that_is() {
        let never = || Contact::Never(Some("refused".to_owned()));
        let contacted = |state, contact| server("db:6379", state, None).contacted(contact).to_string();
        assert_eq!(contacted(State::Up, never()), "not yet contacted for 3s (refused)");
        assert_eq!(contacted(State::Up, Contact::Never(None)), "not yet contacted for 3s");
        assert_eq!(contacted(State::Up, Contact::Made), "up for 3s");
        assert_eq!(contacted(State::Down, never()), "down for 3s");
        assert!(State::Down.rank() < State::Up.rank() && State::Up.rank() < State::NotContacted.rank());
    }
}

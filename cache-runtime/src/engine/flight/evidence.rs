//! What a landing says about itself, what a caller knows when it arrives, and which of the two fit.

use bytes::Bytes;

use crate::engine::kind::Shared;
use crate::entry::Token;

/// A point in the order of events in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(super) u64);

impl Moment {
    /// Its place in the order, for an atomic to hold.
    pub(in crate::engine) const fn number(self) -> u64 {
        self.0
    }
}

/// Since when, and under which lease, a value was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    pub(crate) since: Moment,
    pub(crate) lease: Option<Token>,
}

/// Whether a call asks the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// It does.
    Asks,
    /// A step of the call failed while the circuit breaker of its server was closed.
    Failed,
    /// The circuit breaker of its server is not closed.
    ShutOut,
}

/// What a caller knows that decides which landings it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Moment,
    /// The lease that its own `GET` showed.
    pub(crate) saw: Option<Token>,
    pub(crate) reach: Reach,
}

impl Arrival {
    /// Whether the caller may take what is landed with this evidence.
    ///
    /// It may if it arrived before the value was asked for: an invalidation that had finished by then was there for the
    /// function to see. It may if a `GET` that it sent after arriving showed the lease of the run: an invalidation before
    /// its arrival would have removed the lease. And it may if the circuit breaker keeps it from asking at all: then
    /// callers share by key, and only the invalidations of this process end a flight.
    pub(crate) fn accepts(&self, evidence: Evidence) -> bool {
        self.reach == Reach::ShutOut || self.is_proven(evidence)
    }

    /// Whether the caller may take what had landed with this evidence when it arrived.
    pub(super) fn accepts_landed(&self, evidence: Evidence) -> bool {
        self.is_proven(evidence)
    }

    fn is_proven(&self, evidence: Evidence) -> bool {
        self.at < evidence.since || (self.saw.is_some() && self.saw == evidence.lease)
    }
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// With a value: the entry's bytes.
    Value(Bytes),
    /// With `None`, which is not stored.
    None,
    /// The function failed or panicked, or its value could not be encoded. An error that can be cloned is for all.
    Failed(Option<Shared>),
    /// Its caller went away.
    Abandoned,
}

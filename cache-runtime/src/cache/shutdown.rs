//! What a shutdown leaves undone.

use std::fmt;

use crate::health::PendingInvalidations;

/// What a cache had not done when [`Cache::shutdown`](crate::Cache::shutdown) returned. What is pending then is lost if
/// the process exits.
///
/// Printed, it is one line, without secrets: `0 tasks unfinished, 0 pending invalidations`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it says what is lost if the process exits: log it unless it `is_clean()`"]
pub struct Shutdown {
    pub(super) unfinished_tasks: usize,
    pub(super) pending: PendingInvalidations,
}

impl Shutdown {
    /// Whether nothing is lost.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unfinished_tasks == 0 && self.pending.is_empty()
    }

    /// How many background tasks had not ended: refreshes, which were stopped, and bodies with tasks of their own and
    /// leases on their way back, which go on while the process lives.
    #[must_use]
    pub fn unfinished_tasks(&self) -> usize {
        self.unfinished_tasks
    }

    /// How many invalidations failed and have not got through: other processes may serve the old values until these
    /// expire. Those without a key are included; [`pending`](Self::pending) tells them apart.
    #[must_use]
    pub fn pending_invalidations(&self) -> usize {
        self.pending.count()
    }

    /// The invalidations that failed and have not got through, and why.
    #[must_use]
    pub fn pending(&self) -> &PendingInvalidations {
        &self.pending
    }
}

impl fmt::Display for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks unfinished, {}", self.unfinished_tasks, self.pending)
    }
}

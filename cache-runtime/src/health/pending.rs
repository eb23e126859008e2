//! What is known of the invalidations that failed.

use std::fmt;

/// The invalidations that failed and have not got through yet.
///
/// Each is repeated until it gets through, by its key where that is kept. Keys are kept up to a bound of bytes (16 MiB, about
/// 140,000 keys). What fails past that is covered by a sweep: once the store answers, all entries under the cache's prefix
/// are removed. Until then this process uses nothing that was loaded before the last of these failures, and other
/// processes may serve old values.
///
/// Printed, it is a part of a line, without secrets: `2 pending invalidations (no answer)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingInvalidations {
    pub(crate) kept: usize,
    pub(crate) unkept: usize,
    pub(crate) sweep: Sweep,
    pub(crate) last_error: Option<String>,
}

/// Whether a sweep is needed, and how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sweep {
    /// The keys of all pending invalidations are kept.
    #[default]
    NotNeeded,
    /// It waits until the store answers: the last step failed, or there was none yet.
    Pending,
    /// It goes through the keys.
    Running,
    /// The store cannot list its keys: it is one of the user's own without [`Store::sweep`](crate::Store::sweep), or a
    /// connection of the user's own that leads to a cluster or does not answer `INFO`. These invalidations stay pending for the life of the cache.
    Unsupported,
}

impl PendingInvalidations {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.saturating_add(self.unkept)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many of them are repeated by their keys.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// How many of them only a sweep will cover, since there was no room for their keys. A key whose invalidation failed
    /// several times counts as often.
    #[must_use]
    pub fn unkept(&self) -> usize {
        self.unkept
    }

    /// How far the sweep is.
    #[must_use]
    pub fn sweep(&self) -> Sweep {
        self.sweep
    }

    /// Why the last try failed, by its key or by a sweep.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

impl fmt::Display for PendingInvalidations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pending invalidations", self.count())?;
        let sweep = match self.sweep {
            Sweep::NotNeeded => None,
            Sweep::Pending => Some("pending"),
            Sweep::Running => Some("running"),
            Sweep::Unsupported => Some("not supported by the store"),
        };
        if let Some(sweep) = sweep {
            write!(f, ", {} of them without a key (a sweep is {sweep})", self.unkept)?;
        }
        self.last_error.iter().try_for_each(|error| write!(f, " ({error})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_invalidations_are_part_of_a_line_that_says_whether_a_sweep_is_needed() {
        let mut pending = PendingInvalidations::default();
        assert!(pending.is_empty());
        assert_eq!(pending.to_string(), "0 pending invalidations");
        (pending.kept, pending.unkept, pending.sweep) = (5_000, 12, Sweep::Running);
        assert_eq!(pending.to_string(), "5012 pending invalidations, 12 of them without a key (a sweep is running)");
        (pending.sweep, pending.last_error) = (Sweep::Pending, Some("no answer".to_owned()));
        assert_eq!(
            pending.to_string(),
            "5012 pending invalidations, 12 of them without a key (a sweep is pending) (no answer)"
        );
    }
}

//! Which leases stand. A lease that does not stand is displaced, whoever holds it. Otherwise a key whose expiry was removed,
//! or whose server's clock was set back, would not be cached again.
//!
//! # Two judges
//!
//! The store decides, by how long the key has left: it knows that for certain, and no clock but its own matters. The
//! header says how long the lease lasts without renewal, so a key that has longer left than that, or no expiry at all,
//! is not as its holder left it. A reader knows only the header. Its idea of the store's time may be wrong by as much as
//! a clock was moved since its connection was made. So a reader only decides whether to ask the store, which costs one
//! command if the reader is wrong.

use std::time::Duration;

use super::MAX_LOCK_TIME;
use super::freshness::RETRY_AFTER;
use crate::clock::{self, Timestamp};
use crate::entry::{Flags, Header};

/// How far apart two clocks that should agree may be. A lease is displaced this long after it should have been over.
/// Raising it tolerates clocks that are corrected by more at once, and makes callers wait for longer for a lease that
/// nobody holds.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(1);

/// How many of its own leases a function expects another process to ask for at once: two functions that share a key, or
/// two versions of one, may have leases of different length.
const LONGEST_OTHER: u32 = 20;

/// Whether a LEASE or a WRITE stands whose key has this much time left; `None` is a key without an expiry.
pub(crate) fn stands(header: &Header, left: Option<Duration>) -> bool {
    left.is_some_and(|left| left <= lasts(header) + TOLERANCE)
}

/// Whether a LEASE or a WRITE should be over by now, or has a deadline that nobody can have given it: whether the store
/// is to be asked.
pub(crate) fn is_doubtful(header: &Header, now: Timestamp) -> bool {
    header.lease_until.after(TOLERANCE) < now || now.after(lasts(header) + TOLERANCE) < header.lease_until
}

/// How long a LEASE or a WRITE lasts without renewal.
fn lasts(header: &Header) -> Duration {
    clock::from_ticks(header.lifetime.into()).min(MAX_LOCK_TIME)
}

/// Whether a refresh lease on a value stands, or the cooldown after a failed one, for a reader whose own leases are this
/// long. A deadline that is very far away was set before the server's clock was set back.
pub(crate) fn is_on(header: &Header, now: Timestamp, lease: Duration) -> bool {
    let furthest = lease.saturating_mul(LONGEST_OTHER).max(RETRY_AFTER) + TOLERANCE;
    header.flags.has(Flags::LEASED) && now < header.lease_until && header.lease_until <= now.after(furthest)
}

/// A deadline before this time has passed, whichever of two clocks that should agree it was set by.
pub(crate) fn overdue(now: Timestamp) -> Timestamp {
    now.before(TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Token;

    const NOW: Timestamp = Timestamp::from_ticks(1_000_000);
    const LEASE: Duration = Duration::from_secs(3);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn lease() -> Header {
        Header::lease(Token([1; 8]), NOW, LEASE)
    }

    #[test]
    fn a_lease_stands_for_as_long_as_it_can_have_left() {
        for left in [Duration::ZERO, LEASE, LEASE + TOLERANCE] {
            assert!(stands(&lease(), Some(left)), "{left:?}");
        }
        for left in [None, Some(LEASE + 2 * TOLERANCE), Some(HOUR)] {
            assert!(!stands(&lease(), left), "{left:?}");
        }
        let day = Header::lease(Token([1; 8]), NOW, MAX_LOCK_TIME);
        assert!(stands(&day, Some(MAX_LOCK_TIME)));
        let longer = Header::lease(Token([1; 8]), NOW, 2 * MAX_LOCK_TIME);
        assert!(!stands(&longer, Some(2 * MAX_LOCK_TIME)), "longer than any lease");
    }

    #[test]
    fn a_lease_is_doubtful_when_it_should_be_over_and_when_its_deadline_is_too_far_away() {
        for now in [NOW, NOW.after(LEASE), NOW.after(LEASE + TOLERANCE), NOW.before(TOLERANCE)] {
            assert!(!is_doubtful(&lease(), now), "{now:?}");
        }
        for now in [NOW.after(LEASE + 2 * TOLERANCE), NOW.after(HOUR), NOW.before(2 * TOLERANCE), NOW.before(HOUR)] {
            assert!(is_doubtful(&lease(), now), "{now:?}");
        }
    }

    #[test]
    fn a_refresh_lease_is_on_until_its_deadline_unless_that_is_too_far_away() {
        let on = |flags, until| is_on(&Header { flags, lease_until: until, ..Header::default() }, NOW, LEASE);
        let leased = Flags::LEASED;
        assert!(on(leased, NOW.after(LEASE)) && on(leased.with(Flags::HELD_OFF), NOW.after(RETRY_AFTER)));
        assert!(on(leased, NOW.after(10 * LEASE)), "another function's leases may be longer");
        assert!(!on(Flags::default(), NOW.after(LEASE)), "there is none");
        assert!(!on(leased, NOW), "it is over");
        assert!(!on(leased, NOW.after(HOUR)), "the clock was set back");
        let short = Header { flags: leased, lease_until: NOW.after(RETRY_AFTER), ..Header::default() };
        assert!(is_on(&short, NOW, Duration::from_millis(10)), "a cooldown is longer than a short lease");
    }
}

//! Random numbers for lease tokens and jitter: unique across processes, not secret.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::Lazy;

/// 64 uniformly distributed bits: `SipHash` of a counter under a key that the operating system drew for this process.
/// The process number is hashed too, so that a forked child does not repeat its parent.
pub(crate) fn bits() -> u64 {
    static KEYS: Lazy<RandomState> = Lazy::new(RandomState::new);
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    KEYS.hash_one((std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)))
}

/// A uniform number in `0.0..1.0`.
pub(crate) fn unit() -> f64 {
    unit_of(bits())
}

/// Maps 64 bits to `0.0..1.0`, from their upper 32.
pub(crate) fn unit_of(bits: u64) -> f64 {
    f64::from(u32::try_from(bits >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_do_not_repeat_and_the_unit_interval_is_half_open() {
        let drawn: HashSet<u64> = (0..10_000).map(|_| bits()).collect();
        assert_eq!(drawn.len(), 10_000);
        assert!(unit_of(0).abs() < f64::EPSILON);
        assert!(unit_of(u64::MAX) < 1.0);
    }
}

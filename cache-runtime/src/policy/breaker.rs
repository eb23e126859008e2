//! When a store that fails is not asked any more, and how it is asked again: a circuit breaker (Nygard, "Release It!").

use std::time::Duration;

use crate::clock::Instant;

/// Steps in a row that failed, after which the store is not asked: one stall of a busy server fails as many steps as are
/// under way, so this is more than a hiccup and less than a second of traffic. Raising it makes more calls wait for their
/// deadline before the breaker opens.
const CONSECUTIVE: u32 = 5;

/// The share of failures, among at least [`LEAST`] steps of a [`WINDOW`], at which a store counts as failing though some
/// steps get through.
const RATE: f64 = 0.5;

/// How many steps make a rate.
const LEAST: u32 = 20;

/// How long steps are counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// The first pause before a store that failed is probed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest: a store that returns is noticed this much later at the most.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// How long a store that is back gets a growing share of the calls, and not all of them at once: its caches are cold and
/// its clients many.
pub(crate) const RAMP: Duration = Duration::from_secs(2);

/// What the steps since the first failure came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    since: Instant,
    consecutive: u32,
    failures: u32,
    steps: u32,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The store is asked on.
    Stay,
    /// It is not.
    Open,
}

impl Tally {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, consecutive: 0, failures: 0, steps: 0 }
    }

    pub(crate) fn failed(&mut self, now: Instant) -> Verdict {
        if self.is_over(now) {
            *self = Self { consecutive: self.consecutive, ..Self::new(now) };
        }
        self.consecutive += 1;
        self.failures += 1;
        self.steps += 1;
        let often = self.steps >= LEAST && f64::from(self.failures) >= RATE * f64::from(self.steps);
        if self.consecutive >= CONSECUTIVE || often { Verdict::Open } else { Verdict::Stay }
    }

    pub(crate) fn succeeded(&mut self) {
        self.consecutive = 0;
        self.steps = self.steps.saturating_add(1);
    }

    /// Whether nothing is to be counted any more: the last failures are long ago.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}

/// The pause before a probe, or another try of what failed: doubling, spread over its upper half, so that a fleet does
/// not come back at once.
pub(crate) fn pause(attempt: u32, unit: f64) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(LAST_PAUSE);
    whole.mul_f64(1.0 - 0.5 * unit)
}

/// Whether a call goes to a store that has been back for so long.
pub(crate) fn admits(back_for: Duration, unit: f64) -> bool {
    back_for.as_secs_f64() >= RAMP.as_secs_f64() * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn failures_in_a_row_open_and_a_success_between_them_does_not() {
        let now = clock::now();
        let mut tally = Tally::new(now);
        for _ in 0..CONSECUTIVE - 1 {
            assert_eq!(tally.failed(now), Verdict::Stay);
        }
        tally.succeeded();
        for _ in 0..CONSECUTIVE - 1 {
            assert_eq!(tally.failed(now), Verdict::Stay);
        }
        assert_eq!(tally.failed(now), Verdict::Open);
    }

    #[test]
    fn half_of_many_open_and_the_count_begins_anew_after_a_while() {
        let now = clock::now();
        let mut tally = Tally::new(now);
        for _ in 0..LEAST / 2 - 1 {
            tally.succeeded();
            assert_eq!(tally.failed(now), Verdict::Stay);
        }
        tally.succeeded();
        assert_eq!(tally.failed(now), Verdict::Open);

        let mut long_ago = Tally::new(now);
        for _ in 0..LEAST / 2 - 1 {
            long_ago.succeeded();
            assert_eq!(long_ago.failed(now), Verdict::Stay);
        }
        assert!(!long_ago.is_over(now) && long_ago.is_over(now + WINDOW));
        long_ago.succeeded();
        assert_eq!(long_ago.failed(now + WINDOW), Verdict::Stay, "half of two");

        let mut rare = Tally::new(now);
        for second in 0..100 {
            rare.succeeded();
            rare.succeeded();
            assert_eq!(rare.failed(now + Duration::from_secs(second)), Verdict::Stay, "a third fails");
        }
    }

    #[test]
    fn pauses_grow_and_are_spread_and_the_ramp_admits_all_in_the_end() {
        let pauses: Vec<_> = (0..8).map(|attempt| pause(attempt, 0.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause(u32::MAX, 1.0), LAST_PAUSE / 2);
        assert!(
            !admits(Duration::ZERO, 0.01) && admits(RAMP / 2, 0.49) && !admits(RAMP / 2, 0.51) && admits(RAMP, 0.999)
        );
    }
}

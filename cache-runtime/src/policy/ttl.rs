//! How long an entry lives: the TTL, its jitter, its bounds.

use std::time::Duration;

/// The share of the TTL over which lifetimes are spread when neither the function nor the cache says. Entries filled
/// together then expire spread over a tenth of their life and not in one instant. Raising it spreads reloads further and
/// lets some values go earlier.
pub(crate) const DEFAULT_JITTER: f64 = 0.1;

/// The longest TTL, a year: nothing lives for ever. Longer ones are cut to it.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The widest spread: half of the TTL.
pub(crate) const MAX_JITTER: f64 = 0.5;

/// The shortest lifetime that a store can express.
const MIN_TTL: Duration = Duration::from_millis(1);

/// The lifetime of one value: `ttl` shortened by up to `share` of itself, as `unit` (in `0.0..1.0`) falls, so that a
/// value is never older than its TTL says. `None` for a TTL of zero: nothing to store.
pub(crate) fn lifetime(ttl: Duration, share: f64, unit: f64) -> Option<Duration> {
    if ttl.is_zero() {
        return None;
    }
    let ttl = ttl.min(MAX_TTL);
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, MAX_JITTER) };
    Some(ttl.mul_f64(1.0 - share * unit).max(MIN_TTL))
}

/// How long the key of a value lives that is served past its lifetime. The windows lengthen the key, never the lifetime:
/// the next value begins with its own.
pub(crate) fn with_windows(lifetime: Duration, outlives: Duration) -> Duration {
    lifetime.saturating_add(outlives).min(MAX_TTL * 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    /// A seeded source, so that the distribution is the same in every run (`SplitMix64`).
    fn seeded_units(mut seed: u64) -> impl Iterator<Item = f64> {
        std::iter::repeat_with(move || {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            random::unit_of(z ^ (z >> 31))
        })
    }

    #[test]
    fn jitter_is_spread_evenly_below_the_ttl() {
        const DRAWS: usize = 100_000;
        let ttl = Duration::from_secs(1000);
        let mut buckets = [0_usize; 10];
        for unit in seeded_units(42).take(DRAWS) {
            let lifetime = lifetime(ttl, 0.1, unit).expect("a TTL above zero");
            assert!(lifetime > Duration::from_secs(900) && lifetime <= ttl, "{lifetime:?}");
            let tenth = (lifetime.as_secs_f64() - 900.0) / 10.0;
            let bucket = (0..9).find(|upper| tenth <= f64::from(upper + 1)).unwrap_or(9);
            buckets[usize::try_from(bucket).expect("small")] += 1;
        }
        // Chi-squared with 9 degrees of freedom: 27.9 is exceeded once in a thousand by an even distribution.
        let expected = 10_000.0;
        #[expect(clippy::cast_precision_loss, reason = "counts up to 100,000")]
        let chi_squared: f64 = buckets.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
        assert!(chi_squared < 27.9, "{chi_squared}: {buckets:?}");
    }

    #[test]
    fn a_lifetime_is_never_zero_never_infinite_and_never_past_its_ttl() {
        assert_eq!(lifetime(Duration::ZERO, 0.1, 0.5), None);
        let tiny = Duration::from_nanos(1);
        assert_eq!(lifetime(tiny, 0.5, 0.999), Some(Duration::from_millis(1)));
        assert_eq!(lifetime(Duration::MAX, 0.0, 0.5), Some(MAX_TTL));
        let ttl = Duration::from_secs(10);
        for share in [f64::NAN, -1.0, 0.0] {
            assert_eq!(lifetime(ttl, share, 0.9), Some(ttl), "share {share}");
        }
        assert_eq!(lifetime(ttl, f64::INFINITY, 0.9), lifetime(ttl, MAX_JITTER, 0.9));
    }
}

//! Many caches ask for many keys, some of them far more often than others, while values keep expiring.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_runtime::{Cache, report};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use crate::{number, patient_connection};

/// How many keys there are; the n-th is asked for with the weight 1 / n.
const KEYS: usize = 10_000;

/// How long a run takes its origin.
const WORK: Duration = Duration::from_millis(5);

/// The origin: another server, which counts the runs of each key.
#[derive(Clone)]
struct Origin(MultiplexedConnection);

impl Origin {
    async fn run(&self, key: usize) -> u64 {
        let run = redis::cmd("INCR").arg(key).query_async(&mut self.0.clone()).await.expect("the origin is up");
        tokio::time::sleep(WORK).await;
        run
    }
}

/// One function, with `lock = true` and without.
macro_rules! asks {
    ($name:ident, $lock:literal) => {
        #[cache_runtime::redis_cached(
                    key = "zipf:<key>", ttl = "1s", lock = $lock, entry = false, cache = cache, skip(cache, origin)
                )]
        async fn $name(cache: &Cache, origin: &Origin, key: usize) -> u64 {
            origin.run(key).await
        }
    };
}

asks!(locked, true);
asks!(unlocked, false);

/// Takes the origin's URL, caches, callers of each, seconds, `lock` or `no-lock`, and a seed. Returns how often each
/// outcome came, and how many runs were stored.
pub(crate) async fn play(takes: &[String], redis_url: String) -> String {
    let [origin, caches, callers, seconds, lock, seed] = takes else { panic!("takes six words") };
    let cache = || Cache::builder().redis_url(redis_url.as_str()).build().expect("the URL is well formed");
    let caches: Vec<_> = (0..number(caches)).map(|_| cache()).collect();
    let play = Play {
        origin: Origin(patient_connection(origin.clone()).await),
        weights: Weights::new(),
        end: Instant::now() + Duration::from_secs(number(seconds)),
        lock: lock == "lock",
    };
    let callers = (0..number(callers)).flat_map(|_| &caches).zip(number(seed) << 32..);
    let counts = join_all(callers.map(|(cache, seed)| play.caller(cache, Draws(seed)))).await;
    let mut sums = Counts::new();
    for (name, count) in counts.into_iter().flatten() {
        *sums.entry(name).or_default() += count;
    }
    sums.iter().map(|(name, count)| format!("{name}:{count}")).collect::<Vec<_>>().join(" ")
}

type Counts = BTreeMap<String, u64>;

/// What all callers have in common.
struct Play {
    origin: Origin,
    weights: Weights,
    end: Instant,
    lock: bool,
}

impl Play {
    /// Asks for one key after the other.
    async fn caller(&self, cache: &Cache, mut draws: Draws) -> Counts {
        let mut counts = Counts::new();
        while Instant::now() < self.end {
            let key = self.weights.draw(draws.unit());
            let (_, reported) = if self.lock {
                report(locked(cache, &self.origin, key)).await
            } else {
                report(unlocked(cache, &self.origin, key)).await
            };
            for call in reported.calls() {
                *counts.entry(call.outcome().to_string()).or_default() += 1;
                *counts.entry("stored".to_owned()).or_default() += u64::from(call.stored());
            }
        }
        counts
    }
}

/// Zipf's law, summed up.
struct Weights(Vec<f64>);

impl Weights {
    fn new() -> Self {
        let sums = (1..=KEYS).scan(0.0, |sum, rank| {
            *sum += 1.0 / f64::from(u32::try_from(rank).expect("a few thousand"));
            Some(*sum)
        });
        Self(sums.collect())
    }

    /// The key that stands at this share of all weights.
    fn draw(&self, unit: f64) -> usize {
        let at = unit * self.0.last().copied().unwrap_or_default();
        self.0.partition_point(|sum| *sum < at)
    }
}

/// Random numbers that a seed repeats (Steele et al., `SplitMix64`, 2014).
struct Draws(u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
    }
}

//! What an outage adds to a call of the attribute, beside the same call without a cache (`bypass`).
//!
//! The body returns at once, so that the timer of a longer one does not hide microseconds; each call has a key of its own.
//! The first calls pay for finding out that the server is down; once a circuit breaker is open, the others do not.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, bypass, redis_cached};
use support::{RedisServer, cache_on};

/// Calls that are shown one by one.
const FIRST: u64 = 10;

/// Calls without a cache, of which the median is taken off.
const BYPASSED: u64 = 2_000;

/// For how long calls go on after the first ones: past several probes of a breaker.
const LATER: Duration = Duration::from_secs(6);

/// Between two calls, so that what goes on in the background has its turn.
const PAUSE: Duration = Duration::from_millis(1);

#[redis_cached(key = "at_once:<id>", ttl = 600, lock = true, cache = cache, skip(cache))]
async fn at_once(cache: &Cache, id: u64) -> u64 {
    id
}

/// Measures and prints; nothing else runs meanwhile.
pub(crate) async fn print() {
    println!("added to a call of #[redis_cached], beside a bypass; a body that returns at once");
    let mut server = RedisServer::start().await;
    let cache = cache_on(&server);
    at_once(&cache, 0).await;
    let bare = bare(&cache).await;
    println!("a bypass: {bare:.2?} (median of {BYPASSED})");
    server.kill();
    outage("killed", &cache, bare).await;
    server.restart().await;
    // Another cache: this one knows of no outage yet.
    let cache = cache_on(&server);
    at_once(&cache, 0).await;
    server.pause();
    outage("hung", &cache, bare).await;
}

/// The median of a call without a cache.
async fn bare(cache: &Cache) -> Duration {
    let mut took = Vec::new();
    for id in 0..BYPASSED {
        let begun = Instant::now();
        bypass(at_once(cache, id)).await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took[took.len() / 2]
}

async fn outage(what: &str, cache: &Cache, bare: Duration) {
    let added = calls(cache, bare).await;
    let (first, rest) = added.split_at(added.len().min(usize::try_from(FIRST).expect("a few")));
    println!("{what}, the first calls: {first:.1?}");
    later(&format!("{what}, later"), rest);
}

/// The added times of [`FIRST`] calls and of as many more as begin within [`LATER`].
async fn calls(cache: &Cache, bare: Duration) -> Vec<Duration> {
    let mut added = Vec::new();
    let mut later_since = None;
    for id in 1.. {
        if id > FIRST && later_since.get_or_insert_with(Instant::now).elapsed() > LATER {
            break;
        }
        let begun = Instant::now();
        at_once(cache, id).await;
        added.push(begun.elapsed().saturating_sub(bare));
        tokio::time::sleep(PAUSE).await;
    }
    added
}

fn later(what: &str, added: &[Duration]) {
    let mut added = added.to_vec();
    added.sort_unstable();
    let at = |share: usize| added[(added.len() - 1) * share / 1_000];
    println!(
        "{what}: {} calls, p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, max {:.1?}",
        added.len(),
        at(500),
        at(900),
        at(990),
        at(999),
        at(1_000)
    );
}

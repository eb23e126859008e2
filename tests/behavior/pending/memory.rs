//! What pending invalidations take, counted by the allocator on one thread.

use std::fmt::Write as _;

use allocation_counter::measure;
use cache_runtime::{Cache, redis_cached};
use support::{FailingStore, Mood, built};
use tokio::runtime::{Builder, Runtime};

#[redis_cached(key = "customer:<name>:profile:v1", ttl = 600, cache = cache, skip(cache))]
async fn profile(cache: &Cache, name: &str) -> u64 {
    1
}

/// A cache on a store that is away, and whose breaker is open.
fn away(bytes: Option<usize>) -> (Runtime, Cache) {
    let (runtime, store) =
        (Builder::new_current_thread().enable_all().build().expect("a runtime"), FailingStore::default());
    store.is(Mood::Away);
    let cache = Cache::builder().store(store);
    let cache = built(if let Some(bytes) = bytes { cache.max_pending_bytes(bytes) } else { cache });
    runtime.block_on(fail(&cache, 10));
    (runtime, cache)
}

async fn fail(cache: &Cache, count: u64) {
    let mut name = String::new();
    for id in 0..count {
        name.clear();
        write!(name, "{id:012}").expect("a string takes all");
        profile_entry(cache, &name).invalidate().await.expect_err("the store is away");
    }
}

#[test]
fn a_million_failed_invalidations_of_different_keys_take_less_than_64_mebibytes() {
    const COUNT: u64 = 1_000_000;
    let (runtime, cache) = away(None);
    let taken = measure(|| runtime.block_on(fail(&cache, COUNT)));
    assert!(taken.bytes_max < 64 << 20, "{} bytes at the most", taken.bytes_max);
    let health = cache.health();
    assert!(health.pending_invalidations() as u64 >= COUNT, "{health}");
    assert!(health.pending().kept() > 100_000 && health.pending().unkept() > 100_000, "{health}");
}

#[test]
fn the_keys_that_are_kept_take_what_they_are_allowed_to_and_not_much_less() {
    const BYTES: u64 = 1 << 20;
    let (runtime, cache) = away(Some(BYTES.try_into().expect("a mebibyte")));
    let taken = measure(|| runtime.block_on(fail(&cache, 20_000)));
    assert!(cache.health().pending().unkept() > 0);
    let taken = u64::try_from(taken.bytes_current).expect("it takes some");
    assert!((BYTES / 2..BYTES).contains(&taken), "{taken} bytes");
}

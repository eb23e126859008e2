//! What the cache may cost a call: one deadline for all its steps together, which stands still while the function runs. On
//! virtual time, where that is exact.

use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached, report};
use support::{FailingStore, Mood, built};
use tokio::time::{Instant, sleep};

/// The deadline where nobody says.
const DEADLINE: Duration = Duration::from_millis(250);

#[redis_cached(key = "answer:<id>", ttl = 600, cache = cache, skip(cache, takes))]
async fn answer(cache: &Cache, takes: Duration, id: u64) -> u64 {
    sleep(takes).await;
    id
}

fn on(store: &FailingStore) -> Cache {
    built(Cache::builder().store(store.clone()))
}

/// What a call came to, and how long it took.
async fn called(cache: &Cache, takes: Duration) -> (Outcome, bool, Duration) {
    let begun = Instant::now();
    let (answer, report) = report(answer(cache, takes, 7)).await;
    assert_eq!(answer, 7);
    (report.calls()[0].outcome(), report.calls()[0].stored(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn all_steps_of_a_call_share_one_deadline() {
    let store = FailingStore::default();
    let cache = on(&store);
    // The look and the lease take 160 ms, and the commit would take more than is left.
    store.is(Mood::Slow(Duration::from_millis(80)));
    let stored = called(&cache, Duration::ZERO).await;
    assert_eq!(stored, (Outcome::Miss, true, Duration::from_millis(240)));
    answer_entry(&cache, 7).invalidate().await.expect("80 ms are enough");

    store.is(Mood::Slow(Duration::from_millis(100)));
    assert_eq!(called(&cache, Duration::ZERO).await, (Outcome::Miss, false, DEADLINE));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_a_call_its_deadline_once() {
    let store = FailingStore::default();
    let cache = on(&store);
    store.is(Mood::Hung);
    assert_eq!(called(&cache, Duration::ZERO).await, (Outcome::Degraded, false, DEADLINE));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stands_still_while_the_function_runs() {
    let store = FailingStore::default();
    let cache = on(&store);
    store.is(Mood::Slow(Duration::from_millis(80)));
    let minute = Duration::from_secs(60);
    assert_eq!(called(&cache, minute).await, (Outcome::Miss, true, minute + Duration::from_millis(240)));
}

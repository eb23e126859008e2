//! What a cache keeps in its process while its store is down: for a moment, so much and no more, and nothing that it
//! should have forgotten.

use std::time::Duration;

use cache_runtime::{Cache, Outcome, State, redis_cached, report};
use support::{FailingStore, Mood, Origin, built, within};
use tokio::time::sleep;

/// How long a value is kept.
const KEPT: Duration = Duration::from_secs(30);

#[redis_cached(key = "answer:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 1_000_000);
    origin.run().await
}

/// A cache whose store is down.
async fn down() -> (Cache, FailingStore) {
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()).degraded_ttl(KEPT));
    goes_down(&cache, &store).await;
    (cache, store)
}

async fn goes_down(cache: &Cache, store: &FailingStore) {
    store.is(Mood::Away);
    let down = async {
        for id in 500_000.. {
            if cache.health().state() == State::Down {
                return;
            }
            answer(cache, &Origin::default(), id).await;
        }
    };
    within("the breaker to open", down).await;
}

/// The store is probed, and has all its calls again.
async fn comes_back(cache: &Cache, store: &FailingStore) {
    store.is(Mood::Well);
    sleep(Duration::from_secs(10)).await;
    answer(cache, &Origin::default(), 500_000).await;
    assert_eq!(cache.health().state(), State::Up);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_kept_for_no_longer_than_it_may() {
    let (cache, _store) = down().await;
    let origin = Origin::default();
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    sleep(KEPT.saturating_sub(Duration::from_millis(1))).await;
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(answer(&cache, &origin, 7).await, 2);
}

#[tokio::test]
async fn no_more_values_are_kept_than_ten_thousand() {
    let (cache, _store) = down().await;
    let origin = Origin::default();
    for id in 0..12_000 {
        answer(&cache, &origin, id).await;
    }
    let mut kept = 0;
    for id in 0..12_000 {
        let (_, report) = report(answer(&cache, &Origin::default(), id)).await;
        kept += u32::from(report.calls()[0].outcome() == Outcome::Hit);
    }
    assert!((1..=10_000).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_put_takes_the_place_of_the_one_that_is_kept() {
    let (cache, _store) = down().await;
    let origin = Origin::default();
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    answer_entry(&cache, 7).put(&100).await.expect_err("the store is down");
    assert_eq!(answer(&cache, &origin, 7).await, 2, "the put may have happened or not");
}

// What is kept is not looked at while the store is up: whether it is forgotten shows when that goes down again.
#[tokio::test(start_paused = true)]
async fn what_was_kept_in_one_outage_is_not_served_in_the_next() {
    let (cache, store) = down().await;
    let origin = Origin::default();
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    comes_back(&cache, &store).await;
    goes_down(&cache, &store).await;
    assert_eq!(answer(&cache, &origin, 7).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_ends_when_the_store_is_back_is_not_kept_for_the_next_outage() {
    let (cache, store) = down().await;
    let origin = Origin::held();
    let (first, ()) = tokio::join!(answer(&cache, &origin, 7), async {
        origin.has_begun(1).await;
        comes_back(&cache, &store).await;
        origin.let_go();
    });
    assert_eq!(first, 1);
    goes_down(&cache, &store).await;
    assert_eq!(answer(&cache, &origin, 7).await, 2);
}

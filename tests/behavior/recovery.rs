//! How a store that failed is found again: asked ever more seldom, by one task and no call, and given its calls back bit
//! by bit. On virtual time.

use std::collections::BTreeSet;
use std::time::Duration;

use cache_runtime::{Cache, State, redis_cached};
use support::{Events, FailingStore, Mood, built};
use tokio::time::{Instant, sleep};
use tracing::Level;

#[redis_cached(key = "answer:<id>", ttl = 600, cache = cache, skip(cache))]
async fn answer(cache: &Cache, id: u64) -> u64 {
    id
}

fn on(store: &FailingStore) -> Cache {
    built(Cache::builder().store(store.clone()).jitter(0.0))
}

/// Calls until the cache has given up a store that is away.
async fn goes_down(cache: &Cache, store: &FailingStore) {
    store.is(Mood::Away);
    for id in 1000..1100 {
        answer(cache, id).await;
    }
    assert_eq!(cache.health().state(), State::Down);
}

/// Waits until the cache's own probe has found its store in this mood.
async fn is_found(cache: &Cache, store: &FailingStore, mood: Mood) {
    store.is(mood);
    while cache.health().state() == State::Down {
        sleep(Duration::from_millis(1)).await;
    }
}

fn said(events: &Events, what: &str) -> usize {
    let said = events.at_least(Level::INFO);
    said.iter().filter(|event| event.message.contains(what)).count()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_asked_ever_more_seldom_by_one_task_and_by_no_call() {
    let store = FailingStore::default();
    let cache = on(&store);
    goes_down(&cache, &store).await;
    let before = store.looks().len();
    for second in 0..60 {
        for id in 0..10 {
            assert_eq!(answer(&cache, id).await, id, "in second {second}");
        }
        sleep(Duration::from_secs(1)).await;
    }
    // After 100 ms, 200 ms and so on up to 5 s, each up to a half sooner.
    let probes = store.looks().len() - before;
    assert!((15..=30).contains(&probes), "{probes} probes in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_whose_store_went_away_does_not_ask_for_it_all_at_once() {
    let fleet: Vec<_> = (0..20).map(|_| FailingStore::default()).collect();
    let mut caches = Vec::new();
    for store in &fleet {
        let cache = on(store);
        goes_down(&cache, store).await;
        caches.push((cache, store.looks().len()));
    }
    sleep(Duration::from_secs(1)).await;
    let probed: BTreeSet<Instant> =
        caches.iter().zip(&fleet).map(|((_, before), store)| store.looks()[*before]).collect();
    assert!(probed.len() > 5, "twenty probe at {} moments", probed.len());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_gets_a_growing_share_of_the_calls_and_events_say_so() {
    let store = FailingStore::default();
    let (cache, events) = (on(&store), Events::capture());
    goes_down(&cache, &store).await;
    is_found(&cache, &store, Mood::Well).await;
    let (warned, mut shares) = (events.at_least(Level::WARN).len(), Vec::new());
    for _ in 0..3 {
        let before = store.looks().len();
        for id in 0..1_000 {
            answer(&cache, id).await;
        }
        shares.push(store.looks().len() - before);
        sleep(Duration::from_secs(1)).await;
    }
    assert!(shares[0] < 100 && (300..700).contains(&shares[1]) && shares[2] == 1_000, "{shares:?}");
    assert_eq!(cache.health().state(), State::Up);
    assert_eq!((said(&events, "answers again"), said(&events, "the store is up")), (1, 1), "{:?}", events.all());
    assert_eq!(events.at_least(Level::WARN).len(), warned, "a call that is put off is no news");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_again_while_it_gets_its_calls_back_is_given_up_again() {
    let store = FailingStore::default();
    let cache = on(&store);
    goes_down(&cache, &store).await;
    is_found(&cache, &store, Mood::Well).await;
    store.is(Mood::Away);
    for id in 0.. {
        match cache.health().state() {
            State::Down => break,
            state => assert_eq!(state, State::Recovering),
        }
        answer(&cache, id).await;
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_up_again_may_fail_as_often_as_before() {
    let store = FailingStore::default();
    let cache = on(&store);
    goes_down(&cache, &store).await;
    is_found(&cache, &store, Mood::Well).await;
    sleep(Duration::from_secs(3)).await;
    answer(&cache, 1).await;
    assert_eq!(cache.health().state(), State::Up);
    store.is(Mood::Away);
    for failure in 1..=4 {
        answer_entry(&cache, 1).get().await.expect_err("the store is away");
        assert_eq!(cache.health().state(), State::Up, "after failure {failure}");
    }
    answer_entry(&cache, 1).get().await.expect_err("the store is away");
    assert_eq!(cache.health().state(), State::Down);
}

// A server that refuses what it is probed with is there: it would never be found by who waits for a value.
#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_is_there() {
    let store = FailingStore::default();
    let cache = on(&store);
    goes_down(&cache, &store).await;
    is_found(&cache, &store, Mood::Refusing).await;
    assert_eq!(cache.health().state(), State::Recovering);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_not_there() {
    let store = FailingStore::default();
    let cache = on(&store);
    goes_down(&cache, &store).await;
    store.is(Mood::Hung);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cache.health().state(), State::Down);
    assert!(store.looks().len() > 10, "it is probed on");
}

#[tokio::test(start_paused = true)]
async fn a_pending_invalidation_is_sent_again_ever_more_seldom_without_a_call_until_it_is_through() {
    let store = FailingStore::default();
    let (cache, events) = (on(&store), Events::capture());
    store.is(Mood::Refusing);
    answer_entry(&cache, 7).invalidate().await.expect_err("the store refuses");
    sleep(Duration::from_secs(60)).await;
    let repeated = store.removals().len() - 1;
    assert!((15..=30).contains(&repeated), "{repeated} times in a minute");
    store.is(Mood::Hung);
    sleep(Duration::from_secs(10)).await;
    let health = cache.health();
    assert!(
        health.pending().last_error().is_some_and(|why| why.contains("did not answer")),
        "the last try counts: {health}"
    );

    store.is(Mood::Well);
    sleep(Duration::from_secs(10)).await;
    let health = cache.health();
    assert_eq!((health.pending_invalidations(), health.pending().last_error()), (0, None));
    assert_eq!(said(&events, "an invalidation that had failed got through"), 1);
}

#[tokio::test]
async fn invalidations_that_a_runtime_left_pending_are_sent_again_by_the_next() {
    let store = FailingStore::default();
    let cache = on(&store);
    store.is(Mood::Refusing);
    let first = cache.clone();
    let ended = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            for id in 1..=3 {
                answer_entry(&first, id).invalidate().await.expect_err("the store refuses");
            }
        });
    });
    ended.await.expect("the first runtime ends");
    store.is(Mood::Well);
    // This repeats the one of its own key, and finds that no task repeats the others.
    answer(&cache, 1).await;
    let paid = async {
        while cache.health().pending_invalidations() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    support::within("the invalidations to be repeated", paid).await;
}

#[tokio::test(start_paused = true)]
async fn health_is_one_line_that_says_it_all() {
    let store = FailingStore::default();
    let cache = on(&store);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(cache.health().to_string(), "the store up for 3s, 0 pending invalidations, 0 calls degraded");

    goes_down(&cache, &store).await;
    answer_entry(&cache, 7).invalidate().await.expect_err("the store is away");
    let health = cache.health();
    assert_eq!((health.since(), health.degraded_calls()), (Duration::ZERO, 100));
    assert_eq!(
        health.to_string(),
        "the store down for 0ns (it is away), 1 pending invalidations (the store is not asked since it failed: it is away), \
         100 calls degraded"
    );
}

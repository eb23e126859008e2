//! A shutdown sends what is pending, and returns what is lost.

use std::time::Duration;

use cache_runtime::{Cache, Sweep, redis_cached};
use support::{Events, FailingStore, Mood, PATIENCE, RedisServer, built};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};
use tracing::Level;

use super::{Versions, fails_to_invalidate, keeping_none, on, removes, version, version_entry};

const LOST: &str = "were not sent before the shutdown";

#[tokio::test(start_paused = true)]
async fn a_shutdown_sends_pending_invalidations_at_once() {
    let (store, events) = (FailingStore::default(), Events::capture());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::Refusing);
    fails_to_invalidate(&cache, 1..=3).await;
    store.is(Mood::Well);
    let (began, before) = (Instant::now(), store.removals().len());
    let lost = cache.shutdown(Duration::from_secs(5)).await;
    assert!(lost.is_clean() && Instant::now() == began, "{lost}");
    assert_eq!(store.removals().len() - before, 3);
    assert!(events.all().iter().all(|event| !event.message.contains(LOST)));
    assert_eq!(lost.to_string(), "0 tasks unfinished, 0 pending invalidations");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tries_for_as_long_as_it_may_and_returns_what_is_lost() {
    let (store, events) = (FailingStore::default(), Events::capture());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::Refusing);
    fails_to_invalidate(&cache, 1..=3).await;
    let (began, before) = (Instant::now(), store.removals().len());
    let lost = cache.shutdown(Duration::from_secs(5)).await;
    assert_eq!(Instant::now() - began, Duration::from_secs(5));
    assert!(store.removals().len() - before > 9, "it tries again");
    assert_eq!((lost.unfinished_tasks(), lost.pending_invalidations(), lost.is_clean()), (0, 3, false));
    assert_eq!((lost.pending().kept(), lost.pending().last_error()), (3, Some("it refuses")));
    assert_eq!(lost.to_string(), "0 tasks unfinished, 3 pending invalidations (it refuses)");
    let all = events.all();
    let said = all.iter().find(|event| event.message.contains(LOST)).expect("an event says so");
    assert_eq!((said.level, said.field("count"), said.field("why")), (Level::ERROR, Some("3"), Some("it refuses")));
    assert!(!cache.shutdown(Duration::ZERO).await.is_clean());
    store.is(Mood::Well);
    assert!(cache.shutdown(Duration::MAX).await.is_clean(), "a patience without a limit is none of a clock's");
}

#[redis_cached(key = "late:<id>", ttl = 600, detach = true, cache = cache, skip(cache, store))]
async fn late(cache: &Cache, store: &FailingStore, id: u64) -> u64 {
    sleep(Duration::from_secs(1)).await;
    store.is(Mood::Refusing);
    version_entry(cache, id).invalidate().await.expect_err("the store refuses");
    store.is(Mood::Well);
    id
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_sends_the_invalidations_too_that_the_last_task_leaves_pending() {
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()));
    tokio::time::timeout(Duration::from_millis(10), late(&cache, &store, 7)).await.expect_err("it takes a second");
    let began = Instant::now();
    let lost = cache.shutdown(Duration::from_secs(5)).await;
    assert!(lost.is_clean(), "{lost}");
    assert_eq!((Instant::now() - began).as_millis(), 990, "it ends with the task");
}

#[redis_cached(key = "endless", ttl = 600, detach = true, cache = cache, skip(cache))]
async fn endless(cache: &Cache) -> u64 {
    std::future::pending().await
}

/// The runtime of the task that would send them is gone.
#[tokio::test(start_paused = true)]
async fn a_shutdown_sends_pending_invalidations_while_it_waits_for_a_task_that_does_not_end() {
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::Refusing);
    std::thread::scope(|scope| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let cache = &cache;
        scope.spawn(move || runtime.block_on(fails_to_invalidate(cache, 1..=3)));
    });
    store.is(Mood::Slow(Duration::from_millis(100)));
    tokio::time::timeout(Duration::from_secs(1), endless(&cache)).await.expect_err("it never ends");
    let lost = cache.shutdown(Duration::from_secs(5)).await;
    assert_eq!((lost.unfinished_tasks(), lost.pending_invalidations()), (1, 0), "{lost}");
}

#[tokio::test]
async fn a_shutdown_sweeps_where_that_is_needed_and_returns_what_no_sweep_has_covered() {
    let server = RedisServer::start().await;
    let (cache, versions) = (keeping_none(on(&server)), Versions::default());
    for id in 0..5 {
        version(&cache, &versions, id).await;
    }
    removes(&server, false).await;
    fails_to_invalidate(&cache, 0..5).await;
    let lost = cache.shutdown(Duration::from_millis(50)).await;
    assert_eq!((lost.pending().kept(), lost.pending().unkept(), lost.is_clean()), (0, 5, false), "{lost}");
    assert_eq!(lost.pending().sweep(), Sweep::Pending, "{lost}");
    removes(&server, true).await;
    let lost = cache.shutdown(PATIENCE).await;
    assert!(lost.is_clean(), "{lost}");
    let elsewhere = built(on(&server));
    for id in 0..5 {
        assert_eq!(version_entry(&elsewhere, id).get().await.expect("the server is up"), None);
    }
}

//! `stale_while_revalidate`: the old value at once, and one refresh.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached};
use futures_util::future::join_all;
use support::{Events, Origin, PATIENCE, RedisServer, Stage, built, cache_on, on_every_store};
use tracing::Level;

use super::{memory, reported, until};

on_every_store!(
    a_stale_value_is_served_at_once_and_one_refresh_replaces_it,
    a_caller_that_meets_the_refresh_as_a_miss_joins_it,
    a_refresh_that_began_before_an_invalidation_stores_nothing,
    a_refresh_that_finds_none_removes_the_old_value,
);

#[redis_cached(
    key = "stale:<id>", shared = true, ttl = Duration::from_millis(20), jitter = 0.0, stale_while_revalidate = "1h",
    cache = cache, skip(cache, origin)
)]
async fn stale(cache: &Cache, origin: &Arc<Origin>, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

/// The same key, without a window.
#[redis_cached(key = "stale:<id>", shared = true, ttl = 600, lock = true, cache = cache, skip(cache, origin), entry = false)]
async fn strict(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

async fn a_stale_value_is_served_at_once_and_one_refresh_replaces_it(stage: Stage) {
    let events = Events::capture();
    let origin = Arc::new(Origin::default());
    let call = || stale(&stage.cache, &origin, 1);
    assert_eq!(call().await, 1);
    origin.hold();
    assert_eq!(until(Outcome::Stale, call).await, 1);
    origin.has_begun(2).await;
    let (meanwhile, called) = reported(call()).await;
    assert_eq!((meanwhile, called.outcome()), (1, Outcome::Stale));
    assert!(called.stale_for().is_some() && called.age() > called.stale_for());
    assert_eq!(join_all((0..100).map(|_| call())).await, vec![1; 100]);
    assert_eq!(origin.runs(), 2, "one refresh for all");
    let served = events.all().into_iter().rfind(|event| event.field("outcome") == Some("stale")).expect("it is traced");
    assert!(served.field("age_ms").is_some() && served.field("key") == Some("stale:1"), "{served:?}");

    origin.let_go();
    while call().await == 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn a_caller_that_meets_the_refresh_as_a_miss_joins_it(stage: Stage) {
    let origin = Arc::new(Origin::default());
    assert_eq!(stale(&stage.cache, &origin, 2).await, 1);
    origin.hold();
    assert_eq!(until(Outcome::Stale, || stale(&stage.cache, &origin, 2)).await, 1);
    origin.has_begun(2).await;
    let ((joined, called), ()) = tokio::join!(reported(strict(&stage.cache, &origin, 2)), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        origin.let_go();
    });
    assert_eq!((joined, called.outcome()), (2, Outcome::Coalesced));
    assert_eq!(origin.runs(), 2);
}

async fn a_refresh_that_began_before_an_invalidation_stores_nothing(stage: Stage) {
    let origin = Arc::new(Origin::default());
    assert_eq!(stale(&stage.cache, &origin, 3).await, 1);
    origin.hold();
    until(Outcome::Stale, || stale(&stage.cache, &origin, 3)).await;
    origin.has_begun(2).await;
    let entry = stale_entry(&stage.cache, 3);
    entry.invalidate().await.expect("the store is up");
    origin.let_go();
    assert_eq!(stage.cache.shutdown(PATIENCE).await.unfinished_tasks(), 0, "the refresh has ended");
    assert_eq!(entry.get().await.expect("the store is up"), None);
    assert_eq!(stale(&stage.cache, &origin, 3).await, 3);
}

#[redis_cached(
    key = "gone", ttl = Duration::from_millis(20), stale_while_revalidate = "1h", cache = cache, skip(cache, origin)
)]
async fn gone(cache: &Cache, origin: &Arc<Origin>) -> Option<u64> {
    Some(origin.run().await).filter(|run| *run == 1)
}

async fn a_refresh_that_finds_none_removes_the_old_value(stage: Stage) {
    let origin = Arc::new(Origin::default());
    let call = || gone(&stage.cache, &origin);
    assert_eq!(call().await, Some(1));
    until(Outcome::Stale, call).await;
    while call().await.is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn two_processes_refresh_once_and_a_stale_hit_is_one_command() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Arc::new(Origin::default());
    assert_eq!(stale(&ours, &origin, 1).await, 1);
    origin.hold();
    tokio::time::sleep(Duration::from_millis(30)).await;
    let all = (0..20).flat_map(|_| [&ours, &theirs]).map(|cache| stale(cache, &origin, 1));
    assert_eq!(join_all(all).await, vec![1; 40]);
    origin.has_begun(2).await;

    let before = server.commands().await;
    for cache in [&ours, &theirs] {
        let (value, called) = reported(stale(cache, &origin, 1)).await;
        assert_eq!((value, called.outcome()), (1, Outcome::Stale));
    }
    assert_eq!(server.commands().await.since(&before), [("get".to_owned(), 2)].into());
    assert_eq!(origin.runs(), 2, "one refresh in both processes");
}

#[tokio::test(start_paused = true)]
async fn the_window_has_an_end_and_a_refreshed_value_its_whole_freshness() {
    #[redis_cached(
        key = "windowed", ttl = "60s", jitter = 0.0, stale_while_revalidate = "30s", cache = cache, skip(cache, origin)
    )]
    async fn windowed(cache: &Cache, origin: &Arc<Origin>) -> u64 {
        origin.run().await
    }
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    let outcome = async || reported(windowed(&cache, &origin)).await.1.outcome();
    assert_eq!(outcome().await, Outcome::Miss);
    tokio::time::advance(Duration::from_millis(89_900)).await;
    assert_eq!(outcome().await, Outcome::Stale);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (value, called) = reported(windowed(&cache, &origin)).await;
    assert_eq!((value, called.outcome()), (2, Outcome::Hit));
    let fresh_for = called.fresh_for().expect("it came from the cache");
    assert!(fresh_for <= Duration::from_secs(60), "the window is no part of the TTL: {fresh_for:?}");
    tokio::time::advance(Duration::from_secs(91)).await;
    assert_eq!(outcome().await, Outcome::Miss, "past the window the old value is of no use");
}

#[tokio::test]
async fn no_more_refreshes_run_than_the_bound_says_and_what_finds_no_room_is_seen() {
    let events = Events::capture();
    let cache = built(Cache::builder().memory(cache_runtime::Memory::entries(100)).max_refreshes(1));
    let origin = Arc::new(Origin::default());
    for id in [1, 2] {
        stale(&cache, &origin, id).await;
    }
    origin.hold();
    until(Outcome::Stale, || stale(&cache, &origin, 1)).await;
    origin.has_begun(3).await;
    until(Outcome::Stale, || stale(&cache, &origin, 2)).await;
    let put_off = |event: &support::Event| event.message.contains("no refresh is started");
    assert!(events.at_least(Level::WARN).iter().any(put_off));
    assert_eq!(origin.runs(), 3);
    origin.let_go();
    assert_eq!(cache.shutdown(PATIENCE).await.unfinished_tasks(), 0);
}

#[tokio::test]
async fn a_shutdown_stops_a_refresh_that_does_not_end_and_calls_work_on() {
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    stale(&cache, &origin, 1).await;
    origin.hold();
    until(Outcome::Stale, || stale(&cache, &origin, 1)).await;
    origin.has_begun(2).await;
    assert_eq!(cache.shutdown(Duration::from_millis(1)).await.unfinished_tasks(), 1);
    assert_eq!(until(Outcome::Stale, || stale(&cache, &origin, 1)).await, 1);
    assert_eq!(origin.runs(), 2, "no refresh begins any more");
}

#[tokio::test]
async fn a_refresh_is_traced_under_its_callers_span() {
    #[redis_cached(
        key = "traced", ttl = Duration::from_millis(5), stale_while_revalidate = "1h", cache = cache,
        skip(cache, spans)
    )]
    async fn traced(cache: &Cache, spans: &Arc<std::sync::Mutex<Vec<Option<tracing::Id>>>>) -> u64 {
        spans.lock().expect("nobody panicked").push(tracing::Span::current().id());
        7
    }
    let _events = Events::capture();
    let (cache, spans) = (memory(), Arc::default());
    traced(&cache, &spans).await;
    let span = tracing::info_span!("request");
    tracing::Instrument::instrument(until(Outcome::Stale, || traced(&cache, &spans)), span.clone()).await;
    assert_eq!(cache.shutdown(PATIENCE).await.unfinished_tasks(), 0);
    assert_eq!(spans.lock().expect("nobody panicked")[1], span.id());
    assert!(span.id().is_some());
}

//! `stale_if_error`: an old value in place of an error or a panic, and an origin that is left alone.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached};
use futures_util::future::join_all;
use support::{Events, Origin, RedisServer, Stage, cache_on, on_every_store};
use tracing::Level;

use super::{memory, reported, until};

on_every_store!(an_old_value_is_served_for_an_error_and_for_a_panic_and_the_origin_is_left_alone);

/// Fails from the second run on, every other time by a panic.
#[redis_cached(
    key = "failing:<id>", ttl = Duration::from_millis(20), jitter = 0.0, stale_if_error = "1h",
    cache = cache, skip(cache, origin)
)]
async fn failing(cache: &Cache, origin: &Origin, id: u64) -> Result<u64, String> {
    match origin.run().await {
        1 => Ok(id),
        run if run.is_multiple_of(2) => Err(format!("run {run} failed")),
        run => panic!("run {run} panicked"),
    }
}

async fn an_old_value_is_served_for_an_error_and_for_a_panic_and_the_origin_is_left_alone(stage: Stage) {
    for panics in [false, true] {
        let events = Events::capture();
        let origin = Origin::default();
        let id = u64::from(panics);
        let call = || failing(&stage.cache, &origin, id);
        assert_eq!(call().await, Ok(id));
        if panics {
            origin.run().await;
        }
        assert_eq!(until(Outcome::Stale, call).await, Ok(id));
        let runs = origin.runs();
        assert_eq!(join_all((0..20).map(|_| call())).await, vec![Ok(id); 20]);
        assert_eq!(origin.runs(), runs, "the origin is left alone for a while");
        let said = |event: &support::Event| event.message.contains("an old value is served");
        assert!(events.at_least(Level::WARN).iter().any(said));
    }
}

#[tokio::test]
async fn other_processes_leave_a_failing_origin_alone_too() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::default();
    assert_eq!(failing(&ours, &origin, 7).await, Ok(7));
    assert_eq!(until(Outcome::Stale, || failing(&ours, &origin, 7)).await, Ok(7));
    assert_eq!(origin.runs(), 2);
    let (value, called) = reported(failing(&theirs, &origin, 7)).await;
    assert_eq!((value, called.outcome()), (Ok(7), Outcome::Stale));
    assert_eq!(origin.runs(), 2);
}

/// Fails but for the first and the fourth run.
#[redis_cached(
    key = "recovers", ttl = "60s", jitter = 0.0, stale_if_error = "60s", cache = cache, skip(cache, origin)
)]
async fn recovers(cache: &Cache, origin: &Origin) -> Result<u64, u64> {
    let run = origin.run().await;
    if run == 1 || run == 4 { Ok(run) } else { Err(run) }
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_the_origin_is_asked_again_and_past_the_window_its_error_comes_through() {
    let (cache, origin) = (memory(), Origin::default());
    let call = || reported(recovers(&cache, &origin));
    assert_eq!(call().await.0, Ok(1));
    tokio::time::advance(Duration::from_secs(61)).await;
    for runs in [2, 2, 3] {
        let (value, called) = call().await;
        assert_eq!((value, called.outcome(), origin.runs()), (Ok(1), Outcome::Stale, runs));
        tokio::time::advance(Duration::from_secs(3)).await;
    }
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(call().await.0, Ok(4), "it has recovered");
    let (_, called) = call().await;
    let fresh_for = called.fresh_for().expect("it came from the cache");
    assert!(fresh_for <= Duration::from_secs(60), "the window is no part of the next TTL: {fresh_for:?}");
    tokio::time::advance(Duration::from_secs(121)).await;
    assert_eq!(call().await.0, Err(5), "there is nothing left to serve");
}

#[tokio::test]
async fn callers_who_wait_for_a_run_that_fails_have_the_old_value_too() {
    let (cache, origin) = (memory(), Origin::default());
    let call = || failing(&cache, &origin, 3);
    assert_eq!(call().await, Ok(3));
    tokio::time::sleep(Duration::from_millis(30)).await;
    origin.hold();
    let (answers, ()) = tokio::join!(join_all((0..20).map(|_| call())), async {
        origin.has_begun(2).await;
        origin.let_go();
    });
    assert_eq!(answers, vec![Ok(3); 20]);
    assert_eq!(origin.runs(), 2);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_origin_alone() {
    #[redis_cached(
        key = "refresh-fails", ttl = Duration::from_millis(10), stale_while_revalidate = "1h", cache = cache,
        skip(cache, origin)
    )]
    async fn refresh_fails(cache: &Cache, origin: &Arc<Origin>) -> Result<u64, u64> {
        let run = origin.run().await;
        if run == 1 { Ok(run) } else { Err(run) }
    }
    let server = RedisServer::start().await;
    let (cache, origin) = (cache_on(&server), Arc::new(Origin::default()));
    assert_eq!(refresh_fails(&cache, &origin).await, Ok(1));
    assert_eq!(until(Outcome::Stale, || refresh_fails(&cache, &origin)).await, Ok(1));
    origin.has_begun(2).await;
    assert_eq!(cache.shutdown(support::PATIENCE).await.unfinished_tasks(), 0, "the refresh has ended");
    let other = cache_on(&server);
    for _ in 0..20 {
        assert_eq!(refresh_fails(&other, &origin).await, Ok(1));
    }
    assert_eq!(origin.runs(), 2);
}

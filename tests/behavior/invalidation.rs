//! Invalidation wins: against fills in flight, against calls that began before it, in every process.

use cache_runtime::{Cache, Entry, redis_cached};
use support::{Origin, RedisServer, Stage, cache_on, on_every_store};

on_every_store!(
    a_fill_in_flight_loses_against_an_invalidation,
    a_fill_in_flight_loses_against_a_put,
    a_refresh_in_flight_loses_against_an_invalidation,
    a_call_after_an_invalidation_does_not_join_a_run_from_before_it,
    invalidating_what_is_not_there_is_fine,
);

// It would wait for another caller longer than a test waits for anything: no wait can pass for a run of its own.
#[redis_cached(key = "price:<id>", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, origin))]
async fn price(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id > 0);
    origin.run().await
}

fn entry(stage: &Stage) -> Entry<u64> {
    price_entry(&stage.cache, 7)
}

async fn a_fill_in_flight_loses_against_an_invalidation(stage: Stage) {
    let origin = Origin::held();
    let (loaded, ()) = tokio::join!(price(&stage.cache, &origin, 7), async {
        origin.has_begun(1).await;
        entry(&stage).invalidate().await.expect("the store is up");
        origin.let_go();
    });
    assert_eq!(loaded, 1, "the caller from before gets what it loaded");
    assert_eq!(entry(&stage).get().await.expect("the store is up"), None, "and leaves nothing behind");
    assert_eq!(price(&stage.cache, &origin, 7).await, 2);
}

async fn a_fill_in_flight_loses_against_a_put(stage: Stage) {
    let origin = Origin::held();
    let (loaded, ()) = tokio::join!(price(&stage.cache, &origin, 7), async {
        origin.has_begun(1).await;
        entry(&stage).put(&99).await.expect("the store is up");
        origin.let_go();
    });
    assert_eq!(loaded, 1);
    assert_eq!(price(&stage.cache, &origin, 7).await, 99);
}

async fn a_refresh_in_flight_loses_against_an_invalidation(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(price(&stage.cache, &origin, 7).await, 1);
    origin.hold();
    let (refreshed, ()) = tokio::join!(cache_runtime::refresh(price(&stage.cache, &origin, 7)), async {
        origin.has_begun(2).await;
        entry(&stage).invalidate().await.expect("the store is up");
        origin.let_go();
    });
    assert_eq!(refreshed, 2);
    assert_eq!(price(&stage.cache, &origin, 7).await, 3);
}

async fn a_call_after_an_invalidation_does_not_join_a_run_from_before_it(stage: Stage) {
    let origin = Origin::held();
    let (before, after) = tokio::join!(price(&stage.cache, &origin, 7), async {
        origin.has_begun(1).await;
        entry(&stage).invalidate().await.expect("the store is up");
        let after = price(&stage.cache, &origin, 7);
        let (after, ()) = tokio::join!(after, async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        after
    });
    assert_eq!((before, after), (1, 2));
    assert_eq!(price(&stage.cache, &origin, 7).await, 2, "the later value is the one that stays");
}

async fn invalidating_what_is_not_there_is_fine(stage: Stage) {
    entry(&stage).invalidate().await.expect("the store is up");
}

#[tokio::test]
async fn a_del_by_any_tool_wins_against_a_fill_in_flight() {
    let stage = Stage::redis().await;
    let mut tool = stage.server().expect("the stage is on Redis").client().await;
    let origin = Origin::held();
    let (loaded, ()) = tokio::join!(price(&stage.cache, &origin, 7), async {
        origin.has_begun(1).await;
        let _: u64 = ::redis::cmd("DEL").arg("price:7").query_async(&mut tool).await.expect("the server is up");
        origin.let_go();
    });
    assert_eq!(loaded, 1);
    assert_eq!(price(&stage.cache, &origin, 7).await, 2);
}

#[tokio::test]
async fn an_invalidation_in_another_process_wins_against_a_fill_in_flight() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::held();
    let (before, after) = tokio::join!(price(&ours, &origin, 7), async {
        origin.has_begun(1).await;
        price_entry(&theirs, 7).invalidate().await.expect("the server is up");
        // In the process of the fill, after the invalidation: may not join it either.
        let (after, ()) = tokio::join!(price(&ours, &origin, 7), async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        after
    });
    assert_eq!((before, after), (1, 2));
    assert_eq!(price(&theirs, &origin, 7).await, 2);
}

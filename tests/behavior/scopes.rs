//! `refresh`, `bypass` and `report` reach every cached call inside them; a disabled cache runs every body.

use cache_runtime::{Cache, Outcome, bypass, redis_cached, refresh, report};
use support::{Origin, Stage, on_every_store};

on_every_store!(
    refresh_runs_and_stores,
    bypass_runs_and_touches_nothing,
    scopes_reach_calls_however_deep_and_the_inner_one_decides,
    a_report_has_every_call_and_says_it_as_a_cache_status,
);

#[redis_cached(key = "inner:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn inner(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

#[redis_cached(key = "outer", ttl = 600, cache = cache, skip(cache, origin))]
async fn outer(cache: &Cache, origin: &Origin) -> u64 {
    inner(cache, origin, 1).await * 10
}

async fn refresh_runs_and_stores(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(inner(&stage.cache, &origin, 1).await, 1);
    let (refreshed, reported) = report(refresh(inner(&stage.cache, &origin, 1))).await;
    assert_eq!((refreshed, reported.calls()[0].outcome()), (2, Outcome::Refreshed));
    assert_eq!(inner(&stage.cache, &origin, 1).await, 2);
}

async fn bypass_runs_and_touches_nothing(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(inner(&stage.cache, &origin, 1).await, 1);
    let (bypassed, reported) = report(bypass(inner(&stage.cache, &origin, 1))).await;
    assert_eq!((bypassed, reported.calls()[0].outcome()), (2, Outcome::Bypassed));
    assert_eq!(inner(&stage.cache, &origin, 1).await, 1);
}

async fn scopes_reach_calls_however_deep_and_the_inner_one_decides(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(outer(&stage.cache, &origin).await, 10);
    assert_eq!(refresh(outer(&stage.cache, &origin)).await, 20, "both run, and both store");
    assert_eq!(inner(&stage.cache, &origin, 1).await, 2);

    let both =
        refresh(async { (inner(&stage.cache, &origin, 1).await, bypass(inner(&stage.cache, &origin, 1)).await) });
    assert_eq!(both.await, (3, 4));
    assert_eq!(inner(&stage.cache, &origin, 1).await, 3, "what was bypassed is not stored");
}

async fn a_report_has_every_call_and_says_it_as_a_cache_status(stage: Stage) {
    let origin = Origin::default();
    inner(&stage.cache, &origin, 2).await;
    let ((), reported) = report(async {
        outer(&stage.cache, &origin).await;
        inner(&stage.cache, &origin, 2).await;
    })
    .await;
    let calls: Vec<_> = reported.calls().iter().map(|call| (call.key(), call.outcome())).collect();
    assert_eq!(calls, [("inner:1", Outcome::Miss), ("outer", Outcome::Miss), ("inner:2", Outcome::Hit)]);
    let header = reported.cache_status().to_string();
    let expected = r#"redis_cached; fwd=miss; stored; key="inner:1", redis_cached; fwd=miss; stored; key="outer", redis_cached; hit; ttl="#;
    assert!(header.starts_with(expected), "{header}");
}

#[tokio::test]
async fn a_disabled_cache_runs_every_body_and_keeps_nothing() {
    let (cache, origin) = (Cache::disabled(), Origin::default());
    let (first, reported) = report(inner(&cache, &origin, 1)).await;
    assert_eq!((first, reported.calls()[0].outcome()), (1, Outcome::Bypassed));
    assert_eq!(inner(&cache, &origin, 1).await, 2);
    inner_entry(&cache, 1).put(&9).await.expect("a disabled cache takes everything");
    assert_eq!(inner_entry(&cache, 1).get().await.expect("and has nothing"), None);
    inner_entry(&cache, 1).invalidate().await.expect("and removes everything");
}

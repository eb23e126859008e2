//! `detach = true`: the body has a task of its own, and everything else is as without.

use std::pin::Pin;
use std::sync::Arc;

use cache_runtime::{Cache, Outcome, redis_cached, refresh, report};
use support::{Origin, PATIENCE, Stage, on_every_store};

on_every_store!(
    a_caller_that_goes_away_does_not_stop_the_body_and_its_value_is_stored,
    a_panic_reaches_its_caller_alone,
    scopes_reach_into_a_detached_body,
    a_function_that_reaches_itself_does_not_wait_for_itself,
    a_hit_copies_nothing,
);

#[redis_cached(key = "detached:<name>", ttl = 600, detach = true, cache = cache, skip(cache, origin))]
async fn detached(cache: &Cache, origin: &Arc<Origin>, name: &str) -> Result<String, u64> {
    match origin.run().await {
        13 => panic!("the thirteenth run"),
        run => Ok(format!("{name} {run}")),
    }
}

async fn a_caller_that_goes_away_does_not_stop_the_body_and_its_value_is_stored(stage: Stage) {
    let origin = Arc::new(Origin::held());
    tokio::select! {
        biased;
        _ = detached(&stage.cache, &origin, "ada") => panic!("the origin is held"),
        () = origin.has_begun(1) => {}
    }
    origin.let_go();
    assert_eq!(stage.cache.shutdown(PATIENCE).await.unfinished_tasks(), 0);
    let (value, reported) = report(detached(&stage.cache, &origin, "ada")).await;
    assert_eq!((value, reported.calls()[0].outcome()), (Ok("ada 1".to_owned()), Outcome::Hit));
}

async fn a_panic_reaches_its_caller_alone(stage: Stage) {
    let origin = Arc::new(Origin::default());
    for _ in 0..12 {
        origin.run().await;
    }
    origin.hold();
    let call = || {
        let (cache, origin) = (stage.cache.clone(), Arc::clone(&origin));
        tokio::spawn(async move { detached(&cache, &origin, "eve").await })
    };
    let first = call();
    origin.has_begun(13).await;
    let second = call();
    tokio::task::yield_now().await;
    origin.let_go();
    let panic = first.await.expect_err("the body panics").into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the thirteenth run"), "with what the body panicked with");
    assert_eq!(second.await.expect("another caller does not panic"), Ok("eve 14".to_owned()));
}

#[redis_cached(key = "outer", ttl = 600, detach = true, cache = cache, skip(cache, origin))]
async fn outer(cache: &Cache, origin: &Arc<Origin>) -> Result<String, u64> {
    detached(cache, origin, "inner").await
}

async fn scopes_reach_into_a_detached_body(stage: Stage) {
    let origin = Arc::new(Origin::default());
    assert_eq!(outer(&stage.cache, &origin).await, Ok("inner 1".to_owned()));
    let (value, reported) = report(refresh(outer(&stage.cache, &origin))).await;
    assert_eq!(value, Ok("inner 2".to_owned()), "both were refreshed");
    let outcomes: Vec<_> = reported.calls().iter().map(cache_runtime::CallReport::outcome).collect();
    assert_eq!(outcomes, [Outcome::Refreshed, Outcome::Refreshed]);
}

#[redis_cached(key = "itself", ttl = 600, detach = true, cache = cache, skip(cache, depth))]
#[allow(unused_must_use, reason = "every depth has the same key on purpose")]
async fn itself(cache: &Cache, depth: u64) -> u64 {
    if depth == 0 { 0 } else { 1 + again(cache, depth - 1).await }
}

fn again(cache: &Cache, depth: u64) -> Pin<Box<dyn Future<Output = u64> + Send + '_>> {
    Box::pin(itself(cache, depth))
}

async fn a_function_that_reaches_itself_does_not_wait_for_itself(stage: Stage) {
    let (depth, reported) = report(itself(&stage.cache, 3)).await;
    let outcomes: Vec<_> = reported.calls().iter().map(cache_runtime::CallReport::outcome).collect();
    assert_eq!((depth, outcomes), (3, [vec![Outcome::Bypassed; 3], vec![Outcome::Miss]].concat()));
}

/// Counts how often it is copied.
struct Counted(Arc<std::sync::atomic::AtomicU64>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

#[redis_cached(key = "copies", ttl = 600, detach = true, cache = cache, skip(cache, counted))]
async fn copies(cache: &Cache, counted: &Counted) -> u64 {
    counted.0.load(std::sync::atomic::Ordering::SeqCst)
}

async fn a_hit_copies_nothing(stage: Stage) {
    let counted = Counted(Arc::default());
    for _ in 0..3 {
        assert_eq!(copies(&stage.cache, &counted).await, 1);
    }
}

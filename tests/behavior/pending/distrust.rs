//! Past the bound on keys a cache uses what was loaded after the last failure, at once, and nothing older.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Outcome, Report, State, redis_cached, report};
use futures_util::future::join_all;
use support::{Events, FailingStore, Mood, Origin, RedisServer, built};
use tracing::Level;

use super::{
    Versions, all_get_through, eventually, fails_to_invalidate, keeping_none, on, removes, slow, slow_entry, version,
    version_entry,
};

async fn outcome(cache: &Cache, versions: &Versions, id: u64) -> (u64, Outcome) {
    let (value, report) = report(version(cache, versions, id)).await;
    (value, report.calls()[0].outcome())
}

/// How many runs a hundred callers of one key make, and that each of them has the latest version.
async fn runs_of_a_hundred_callers(cache: &Cache, versions: &Versions, id: u64) -> u64 {
    let before = versions.runs();
    let values = join_all((0..100).map(|_| version(cache, versions, id))).await;
    assert!(values.iter().all(|value| *value == versions.latest()), "{values:?}");
    versions.runs() - before
}

#[tokio::test]
async fn past_the_bound_nothing_is_used_that_was_loaded_before_and_one_event_says_so() {
    let server = RedisServer::start().await;
    let cost = "version:7".len() + 88;
    let (cache, versions) = (built(on(&server).max_pending_bytes(2 * cost)), Versions::default());
    let events = Events::capture();
    version(&cache, &versions, 9).await;
    removes(&server, false).await;
    fails_to_invalidate(&cache, [1, 2]).await;
    let past_bound = || events.at_least(Level::ERROR).iter().filter(|event| event.field("bytes").is_some()).count();
    assert_eq!((cache.health().pending().kept(), past_bound()), (2, 0));
    assert_eq!(outcome(&cache, &versions, 9).await.1, Outcome::Hit, "all keys are kept");
    versions.write();
    fails_to_invalidate(&cache, [9, 8]).await;
    let health = cache.health();
    assert_eq!((health.pending().kept(), health.pending().unkept(), past_bound()), (2, 2, 1), "{health}");
    assert_eq!(health.pending_invalidations(), 4);
    assert_eq!(version_entry(&cache, 9).get().await.expect("the server is up"), None);
    assert_eq!(outcome(&cache, &versions, 9).await, (1, Outcome::Miss));
}

#[tokio::test]
async fn what_was_loaded_after_the_last_failure_is_used_at_once() {
    let server = RedisServer::start().await;
    let (cache, versions) = (keeping_none(on(&server)), Versions::default());
    version(&cache, &versions, 7).await;
    removes(&server, false).await;
    versions.write();
    fails_to_invalidate(&cache, [7]).await;
    assert_eq!(outcome(&cache, &versions, 7).await, (1, Outcome::Miss));
    for _ in 0..20 {
        assert_eq!(outcome(&cache, &versions, 7).await, (1, Outcome::Hit));
    }
    assert_eq!(version_entry(&cache, 7).get().await.expect("the server is up"), Some(1));
    assert_eq!(runs_of_a_hundred_callers(&cache, &versions, 8).await, 1, "callers share runs as always");
    versions.write();
    fails_to_invalidate(&cache, [1]).await;
    assert_eq!(outcome(&cache, &versions, 7).await, (2, Outcome::Miss), "which key failed now is not known");
    removes(&server, true).await;
    all_get_through(&cache).await;
}

#[tokio::test]
async fn a_hundred_callers_share_a_run_while_the_server_is_away_and_when_it_is_back() {
    let server = RedisServer::start().await;
    let versions = Versions::default();
    let cache = keeping_none(on(&server).degraded_ttl(Duration::from_secs(60)));
    version(&cache, &versions, 7).await;
    server.pause();
    versions.write();
    fails_to_invalidate(&cache, 0..10).await;
    assert_eq!(cache.health().state(), State::Down);
    assert_eq!(runs_of_a_hundred_callers(&cache, &versions, 7).await, 1);
    fails_to_invalidate(&cache, [8]).await;
    assert_eq!(
        runs_of_a_hundred_callers(&cache, &versions, 7).await,
        0,
        "the copy is of a key that was not invalidated"
    );
    server.resume();
    eventually("the server to have all calls again", async || cache.health().state() == State::Up).await;
    assert!(runs_of_a_hundred_callers(&cache, &versions, 7).await <= 1);
}

/// Clocks of machines may be apart, so what others load is loaded once more at first; this process knows its own runs.
#[tokio::test(start_paused = true)]
async fn what_another_process_loads_is_used_once_clocks_tell_that_it_is_new() {
    let (store, versions) = (FailingStore::default(), Versions::default());
    let (ours, theirs) =
        (keeping_none(Cache::builder().store(store.clone())), built(Cache::builder().store(store.beside())));
    version(&theirs, &versions, 7).await;
    store.is(Mood::Refusing);
    fails_to_invalidate(&ours, [7]).await;
    store.is(Mood::Well);
    version(&theirs, &versions, 8).await;
    assert_eq!(outcome(&ours, &versions, 8).await.1, Outcome::Miss, "it may be older than it says");
    assert_eq!(outcome(&ours, &versions, 8).await.1, Outcome::Hit);
    tokio::time::sleep(Duration::from_secs(61)).await;
    version(&theirs, &versions, 9).await;
    assert_eq!(outcome(&ours, &versions, 9).await.1, Outcome::Hit);
}

/// It stores its value after the failure, and has loaded it before.
#[tokio::test(start_paused = true)]
async fn a_load_that_began_before_the_failure_is_not_used_however_late_it_ends() {
    let (store, origin) = (FailingStore::default(), Arc::new(Origin::held()));
    let (ours, theirs) =
        (keeping_none(Cache::builder().store(store.clone())), built(Cache::builder().store(store.beside())));
    let (loaded, ()) = tokio::join!(slow(&theirs, &origin), async {
        origin.has_begun(1).await;
        store.is(Mood::Refusing);
        slow_entry(&ours).invalidate().await.expect_err("the store refuses");
        store.is(Mood::Well);
        // Longer than clocks may be apart: by the time at which it is stored it would be new.
        tokio::time::sleep(Duration::from_secs(70)).await;
        origin.let_go();
    });
    assert_eq!((loaded, slow_entry(&theirs).get().await.expect("the store is well")), (1, Some(1)));
    assert_eq!(slow_entry(&ours).get().await.expect("the store is well"), None);
    assert_eq!(slow(&ours, &origin).await, 2);
}

#[redis_cached(key = "unstored:<id>", ttl = 600, cache_if = |_| false, cache = cache, skip(cache, versions))]
async fn unstored(cache: &Cache, versions: &Versions, id: u64) -> u64 {
    version(cache, versions, id).await
}

/// Nothing but the run itself tells the callers that the value is new.
#[tokio::test]
async fn callers_share_a_run_whose_value_is_not_stored() {
    let server = RedisServer::start().await;
    let (cache, versions) = (keeping_none(on(&server)), Versions::default());
    removes(&server, false).await;
    fails_to_invalidate(&cache, [7]).await;
    let outcomes = join_all((0..100).map(|_| report(unstored(&cache, &versions, 7)))).await;
    let shared = |called: &&(u64, Report)| called.1.calls()[0].outcome() == Outcome::Coalesced;
    assert_eq!(outcomes.iter().filter(shared).count(), 99);
}

//! `Cache::scope`: one cache for all cached calls in a future, so that tests and tenants have caches of their own in one
//! process; and `Cache::install_for_tests`, for what cannot be wrapped in a scope.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_runtime::{Cache, Memory, Outcome, bypass, redis_cached, refresh, report};
use support::{Events, Origin, PATIENCE, Worker, built};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// A cache that can be told apart by its keys.
fn tenant(name: &str) -> Cache {
    built(Cache::builder().memory(Memory::entries(100)).prefix(name))
}

#[redis_cached(key = "number:<id>", skip(origin))]
async fn number(origin: &Origin, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

/// The keys of the calls in a future.
async fn keys<F: Future>(calls: F) -> (F::Output, Vec<String>) {
    let (output, report) = report(calls).await;
    (output, report.calls().iter().map(|call| call.key().to_owned()).collect())
}

#[tokio::test]
async fn two_scopes_at_once_have_two_caches() {
    let (one, other, origin) = (tenant("one"), tenant("other"), Origin::held());
    let calls = |cache: &Cache| {
        let origin = &origin;
        cache.scope(async move { (number(origin, 7).await, number(origin, 7).await) })
    };
    let let_go = async {
        origin.has_begun(2).await;
        origin.let_go();
    };
    let (first, second, ()) = tokio::join!(calls(&one), calls(&other), let_go);
    let mut values = [first, second];
    values.sort_unstable();
    assert_eq!(values, [(1, 1), (2, 2)]);
}

#[tokio::test]
async fn of_nested_scopes_the_innermost_decides() {
    let (outer, inner, origin) = (tenant("outer"), tenant("inner"), Origin::default());
    let calls = outer.scope(async {
        number(&origin, 1).await;
        inner.scope(number(&origin, 1)).await;
        number(&origin, 1).await
    });
    assert_eq!(
        keys(calls).await,
        (1, ["outer:number:1", "inner:number:1", "outer:number:1"].map(String::from).to_vec())
    );
}

#[redis_cached(key = "named:<id>", cache = cache, skip(cache))]
async fn named(cache: &Cache, id: u64) -> u64 {
    id
}

#[tokio::test]
async fn a_function_that_names_its_cache_uses_that_one() {
    let (scope, own) = (tenant("scope"), tenant("own"));
    let (_, keys) = keys(scope.scope(named(&own, 1))).await;
    assert_eq!(keys, ["own:named:1"]);
}

#[tokio::test]
async fn the_current_cache_is_that_of_the_scope_and_so_is_that_of_entries() {
    let (outer, inner, origin) = (tenant("outer"), tenant("inner"), Origin::default());
    let calls = outer.scope(async {
        number(&origin, 1).await;
        inner.scope(number(&origin, 1)).await;
        assert_eq!(number_entry(1).key(), "outer:number:1");
        assert_eq!(number_entry(1).get().await.expect("memory does not fail"), Some(1));
        assert_eq!(inner.scope(async { number_entry(1).get().await }).await.expect("memory does not fail"), Some(2));
        Cache::current()
    });
    let current = calls.await;
    assert_eq!(format!("{current:?}"), format!("{outer:?}"));
    assert_eq!(keys(current.scope(number(&origin, 1))).await, (1, vec!["outer:number:1".to_owned()]));
}

#[tokio::test]
async fn a_scope_goes_together_with_refresh_and_bypass_in_either_order() {
    let (cache, origin) = (tenant("t"), Origin::default());
    assert_eq!(cache.scope(number(&origin, 1)).await, 1);
    assert_eq!(cache.scope(refresh(number(&origin, 1))).await, 2);
    assert_eq!(refresh(cache.scope(number(&origin, 1))).await, 3);
    assert_eq!(bypass(cache.scope(number(&origin, 1))).await, 4);
    assert_eq!(cache.scope(bypass(number(&origin, 1))).await, 5);
    assert_eq!(cache.scope(number(&origin, 1)).await, 3);
}

/// Functions that return their futures are called outside of the scope that the future is polled in.
#[redis_cached(key = "boxed:<id>", jitter = 0)]
fn boxed(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move { id })
}

#[async_trait]
trait Load {
    async fn load(&self, id: u64) -> u64;
}

#[async_trait]
impl Load for Origin {
    #[redis_cached(key = "load:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        self.run().await + id
    }
}

#[tokio::test]
async fn a_future_made_outside_of_the_scope_uses_the_cache_in_which_it_is_polled() {
    let cache = built(
        Cache::builder().memory(Memory::entries(100)).prefix("inside").default_ttl(Duration::from_secs(10)).jitter(0.0),
    );
    let origin = Origin::default();
    for expected in [Outcome::Miss, Outcome::Hit] {
        let ((), reported) = report(async {
            cache.scope(boxed(7)).await;
            cache.scope(origin.load(7)).await;
        })
        .await;
        let calls: Vec<_> = reported.calls().iter().map(|call| (call.key(), call.outcome())).collect();
        assert_eq!(calls, [("inside:boxed:7", expected), ("inside:load:7", expected)]);
        let bound = reported.calls().iter().filter_map(cache_runtime::CallReport::fresh_for).max();
        assert!(bound <= Some(Duration::from_secs(10)), "the TTL is that of the scope's cache: {bound:?}");
    }
}

#[tokio::test]
async fn a_task_that_is_spawned_takes_the_cache_along_where_it_is_told_to() {
    let (cache, origin) = (tenant("t"), Arc::new(Origin::default()));
    let calls = cache.scope(async {
        let (cache, origin) = (Cache::current(), Arc::clone(&origin));
        tokio::spawn(cache.scope(async move { keys(number(&origin, 1)).await })).await
    });
    assert_eq!(calls.await.expect("it does not panic"), (1, vec!["t:number:1".to_owned()]));
}

/// What a cached function calls.
#[redis_cached(key = "inner")]
async fn inner() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::SeqCst)
}

#[redis_cached(key = "detached:<id>", detach = true)]
async fn detached(id: u64) -> u64 {
    id + inner().await
}

#[tokio::test]
async fn a_detached_body_has_the_cache_of_its_caller() {
    let cache = tenant("t");
    let (_, keys) = keys(cache.scope(detached(1))).await;
    assert_eq!(keys, ["t:inner", "t:detached:1"]);
}

#[redis_cached(key = "revalidated", ttl = 60, jitter = 0, stale_while_revalidate = 600, skip(origin))]
async fn revalidated(origin: &Arc<Origin>) -> (u64, u64) {
    (origin.run().await, inner().await)
}

#[tokio::test(start_paused = true)]
async fn a_refresh_in_the_background_has_the_cache_of_the_call_that_began_it() {
    let (cache, origin) = (tenant("t"), Arc::new(Origin::default()));
    let put = |number| cache.scope(async move { inner_entry().put(&number).await.expect("memory does not fail") });
    let call = || cache.scope(revalidated(&origin));
    put(70).await;
    assert_eq!(call().await, (1, 70));
    put(71).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    let (stale, reported) = report(async {
        let stale = call().await;
        assert!(cache.shutdown(PATIENCE).await.is_clean(), "the refresh has ended");
        stale
    })
    .await;
    let outcomes: Vec<_> = reported.calls().iter().map(cache_runtime::CallReport::outcome).collect();
    assert_eq!((stale, outcomes), ((1, 70), vec![Outcome::Stale]), "what a refresh calls is in no report");
    assert_eq!(call().await, (2, 71), "the refresh has read what is in this cache");
}

#[tokio::test]
async fn a_disabled_cache_turns_caching_off_for_one_test() {
    let origin = Origin::default();
    let calls = Cache::disabled().scope(async { (number(&origin, 1).await, number(&origin, 1).await) });
    assert_eq!(calls.await, (1, 2));
}

#[tokio::test]
async fn in_a_scope_redis_url_is_not_read_and_no_default_cache_is_made() {
    for url in ["redis://127.0.0.1:1/", "no url at all"] {
        let mut worker = Worker::start(WORKER, "scoped", Some(url)).await;
        worker.tell("go").await;
        assert_eq!(worker.hear().await, "7 hit:3 miss:2");
        assert_eq!(worker.hear().await, "installed", "there is no cache yet");
    }
}

#[tokio::test]
async fn a_cache_can_be_installed_again_for_tests_and_a_scope_is_stronger() {
    let mut worker = Worker::start(WORKER, "installed-for-tests", Some("no url at all")).await;
    worker.tell("go").await;
    for expected in ["first:counted:7 miss", "first:counted:7 hit", "second:counted:7 miss", "scope:counted:7 miss"] {
        assert_eq!(worker.hear().await, expected);
    }
    assert_eq!(worker.hear().await, "configuration", "installing is refused as before");
    assert_eq!(worker.hear().await, "third:counted:7 miss");
    assert_eq!(worker.hear().await, "second:slow miss", "a call keeps the cache with which it began");
}

/// Nothing here is a warning: a scope is the ordinary way of a test.
#[tokio::test]
async fn a_scope_makes_no_noise() {
    let (events, origin) = (Events::capture(), Origin::default());
    tenant("t").scope(number(&origin, 1)).await;
    assert_eq!(events.at_least(tracing::Level::INFO), []);
}

//! `none_ttl`, `err_ttl`, `cache_if`, and a TTL by value.

use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached, refresh};
use futures_util::future::join_all;
use support::{Origin, RedisServer, Stage, cache_on, on_every_store};

use super::reported;

on_every_store!(
    a_none_is_stored_for_its_own_time,
    an_error_is_stored_for_its_own_time,
    only_what_passes_is_stored_and_who_waits_has_it_all_the_same,
    each_value_says_how_long_it_is_fresh,
);

#[redis_cached(key = "none", ttl = 600, none_ttl = 60, cache = cache, skip(cache, origin))]
async fn absent(cache: &Cache, origin: &Origin) -> Result<Option<u64>, String> {
    origin.run().await;
    Ok(None)
}

async fn a_none_is_stored_for_its_own_time(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(absent(&stage.cache, &origin).await, Ok(None));
    let (value, called) = reported(absent(&stage.cache, &origin)).await;
    assert_eq!((value, called.outcome(), origin.runs()), (Ok(None), Outcome::Hit, 1));
    assert!(called.fresh_for().expect("it came from the cache") <= Duration::from_secs(60));
    assert_eq!(absent_entry(&stage.cache).get().await.expect("the store is up"), None, "a `None` is no value");
    absent_entry(&stage.cache).invalidate().await.expect("the store is up");
    assert_eq!(absent(&stage.cache, &origin).await, Ok(None));
    assert_eq!(origin.runs(), 2);
}

#[redis_cached(key = "error", shared = true, ttl = 600, err_ttl = 60, cache = cache, skip(cache, origin))]
async fn refused(cache: &Cache, origin: &Origin) -> Result<u64, String> {
    Err(format!("run {} failed", origin.run().await))
}

/// The same key, and another error.
#[redis_cached(key = "error", shared = true, ttl = 600, err_ttl = 60, cache = cache, skip(cache, origin), entry = false)]
async fn refused_otherwise(cache: &Cache, origin: &Origin) -> Result<u64, u64> {
    Err(origin.run().await)
}

/// The same key, and no errors stored.
#[redis_cached(key = "error", shared = true, ttl = 600, cache = cache, skip(cache, origin), entry = false)]
async fn allowed(cache: &Cache, origin: &Origin) -> Result<u64, String> {
    Ok(origin.run().await)
}

async fn an_error_is_stored_for_its_own_time(stage: Stage) {
    let origin = Origin::default();
    let first = Err("run 1 failed".to_owned());
    assert_eq!(refused(&stage.cache, &origin).await, first);
    let (value, called) = reported(refused(&stage.cache, &origin)).await;
    assert_eq!((value, called.outcome(), origin.runs()), (first, Outcome::Hit, 1));
    assert!(called.fresh_for().expect("it came from the cache") <= Duration::from_secs(60));
    assert_eq!(refused_entry(&stage.cache).get().await.expect("the store is up"), None, "an error is no value");
    assert_eq!(refused_otherwise(&stage.cache, &origin).await, Err(2), "another type's error is not read");
    assert_eq!(allowed(&stage.cache, &origin).await, Ok(3), "who stores no errors reads none");
    assert_eq!(refused(&stage.cache, &origin).await, Ok(3), "a value is a value");
}

#[redis_cached(key = "odd", ttl = 600, cache_if = |run: &u64| run.is_multiple_of(2), cache = cache, skip(cache, origin))]
async fn even_runs(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

async fn only_what_passes_is_stored_and_who_waits_has_it_all_the_same(stage: Stage) {
    let origin = Origin::held();
    let (answers, ()) = tokio::join!(join_all((0..10).map(|_| even_runs(&stage.cache, &origin))), async {
        origin.has_begun(1).await;
        origin.let_go();
    });
    assert_eq!(answers, vec![1; 10]);
    assert_eq!(even_runs(&stage.cache, &origin).await, 2, "the first was not stored");
    assert_eq!(even_runs(&stage.cache, &origin).await, 2, "the second was");
    assert_eq!(refresh(even_runs(&stage.cache, &origin)).await, 3);
    assert_eq!(even_runs(&stage.cache, &origin).await, 2, "what does not pass replaces nothing");
}

#[redis_cached(
    key = "by-value:<seconds>", ttl = |seconds: &u64| Duration::from_secs(*seconds), jitter = 0.0, cache = cache,
    skip(cache)
)]
async fn by_value(cache: &Cache, seconds: u64) -> Result<u64, String> {
    Ok(seconds)
}

async fn each_value_says_how_long_it_is_fresh(stage: Stage) {
    for seconds in [10, 1000] {
        assert_eq!(by_value(&stage.cache, seconds).await, Ok(seconds));
        let fresh_for = reported(by_value(&stage.cache, seconds)).await.1.fresh_for().expect("a hit");
        let least = Duration::from_secs(seconds / 2);
        assert!(fresh_for > least && fresh_for <= Duration::from_secs(seconds), "{fresh_for:?}");
    }
    by_value(&stage.cache, 0).await.expect("it does not fail");
    let (_, called) = reported(by_value(&stage.cache, 0)).await;
    assert_eq!(called.outcome(), Outcome::Miss, "for zero seconds nothing is stored");
}

#[tokio::test]
async fn a_key_with_windows_outlives_its_value_and_every_key_expires() {
    #[redis_cached(
        key = "outlives", ttl = "100s", jitter = 0.0, stale_while_revalidate = "50s", stale_if_error = "200s",
        cache = cache, skip(cache)
    )]
    async fn outlives(cache: &Cache) -> u64 {
        7
    }
    let server = RedisServer::start().await;
    let cache = cache_on(&server);
    outlives(&cache).await;
    absent(&cache, &Origin::default()).await.expect("it does not fail");
    let mut client = server.client().await;
    for (key, least, most) in [("outlives", 250, 300), ("none", 50, 60)] {
        let ttl: u64 = ::redis::cmd("TTL").arg(key).query_async(&mut client).await.expect("the server is up");
        assert!((least..=most).contains(&ttl), "{key} expires in {ttl} s");
    }
}

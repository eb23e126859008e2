//! Outside of a tokio runtime, and in one that was built without timers or I/O, nothing panics: what is in this process is
//! served, the rest runs without the cache.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, Error, ErrorKind, Memory, Outcome, State, redis_cached, refresh, report};
use futures_util::FutureExt;
use futures_util::future::join;
use support::{Events, Origin, OwnStore, RedisServer, built, cache_on};
use tokio::runtime::{Builder, Runtime};
use tracing::Level;

#[redis_cached(key = "somewhere", cache = cache, skip(cache, origin))]
async fn somewhere(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[test]
fn a_value_in_this_process_is_served_and_a_miss_runs_the_function() {
    let (events, origin) = (Events::capture(), Origin::default());
    let cache = built(Cache::builder().memory(Memory::entries(10)));
    assert_eq!(somewhere(&cache, &origin).now_or_never(), Some(1));
    assert!(!events.at_least(Level::WARN).is_empty(), "nobody is told");
    let put = somewhere_entry(&cache).put(&9).now_or_never().expect("nothing to wait for");
    put.expect("memory does not fail");
    assert_eq!(somewhere(&cache, &origin).now_or_never(), Some(9));
    assert_eq!(origin.runs(), 1);
}

/// On a server that nobody listens for, one, and a cluster.
fn nowhere() -> [CacheBuilder; 2] {
    [
        Cache::builder().redis_url("redis://127.0.0.1:1/"),
        Cache::builder().redis_cluster(["redis://127.0.0.1:1/", "redis://127.0.0.1:2/"]),
    ]
}

#[test]
fn redis_counts_as_away_and_is_not_given_up_for_that() {
    for builder in nowhere() {
        let (cache, origin) = (built(builder), Origin::default());
        for run in 1..10 {
            assert_eq!(somewhere(&cache, &origin).now_or_never(), Some(run));
            let get = somewhere_entry(&cache).get().now_or_never().expect("nothing to wait for");
            assert_eq!(get.expect_err("no runtime").kind(), ErrorKind::Unavailable);
        }
        assert_eq!(cache.health().state(), State::NotContacted, "others have a runtime");
    }
}

fn without_timers() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

#[test]
fn without_timers_a_value_in_this_process_is_served_and_a_miss_runs_the_function() {
    let (runtime, events, origin) = (without_timers(), Events::capture(), Origin::default());
    let cache = built(Cache::builder().memory(Memory::entries(10)));
    runtime.block_on(async {
        for run in 1..10 {
            assert_eq!(somewhere(&cache, &origin).await, run);
        }
        somewhere_entry(&cache).put(&99).await.expect("memory does not fail");
        assert_eq!(somewhere(&cache, &origin).await, 99);
        somewhere_entry(&cache).invalidate().await.expect("memory does not fail");
        assert_eq!(refresh(somewhere(&cache, &origin)).await, 10);
    });
    let said = events.at_least(Level::WARN);
    assert_eq!(said.len(), 1, "once for the runtime, and not for each call: {said:?}");
    assert!(said[0].message.contains("`enable_all()`"), "{said:?}");
}

#[test]
fn without_timers_a_store_that_would_wait_counts_as_away_and_is_not_given_up_for_that() {
    let own = || Cache::builder().store(OwnStore::default());
    for builder in nowhere().into_iter().chain([own()]) {
        let (runtime, origin) = (without_timers(), Origin::default());
        let cache = built(builder.outage_concurrency(1));
        runtime.block_on(async {
            for run in 1..10 {
                assert_eq!(somewhere(&cache, &origin).await, run);
            }
            let entry = somewhere_entry(&cache);
            for failed in [entry.get().await.map(drop), entry.put(&1).await, entry.invalidate().await] {
                let error = failed.expect_err("there are no timers");
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert!(error.to_string().contains("`enable_all()`"), "{error}");
            }
            let lost = cache.shutdown(Duration::from_secs(60)).await;
            assert_eq!(
                (lost.unfinished_tasks(), lost.pending_invalidations()),
                (0, 1),
                "there is nothing to send it with"
            );
        });
        assert_ne!(cache.health().state(), State::Down, "others have timers");
    }
}

/// The bound of bodies at once makes calls wait for their turn where they can wait.
#[test]
fn without_timers_a_call_does_not_wait_for_its_turn() {
    let [builder, _] = nowhere();
    let (cache, origin) = (built(builder.outage_concurrency(1)), Origin::held());
    let both = without_timers().block_on(async {
        join(join(somewhere(&cache, &origin), somewhere(&cache, &origin)), async {
            tokio::task::yield_now().await;
            origin.let_go();
        })
        .await
    });
    assert_eq!(both.0, (1, 2));
}

#[redis_cached(
    key = "late", ttl = "10ms", timeout = "10ms", stale_while_revalidate = 600, cache = cache, skip(cache, origin)
)]
async fn late(cache: &Cache, origin: &Arc<Origin>) -> Result<u64, Error> {
    Ok(origin.run().await)
}

#[test]
fn without_timers_a_function_with_a_timeout_runs_to_its_end_and_is_not_refreshed() {
    let cache = built(Cache::builder().memory(Memory::entries(10)));
    let origin = Arc::new(Origin::default());
    without_timers().block_on(async {
        assert_eq!(late(&cache, &origin).await.expect("it does not fail"), 1);
        late_entry(&cache).put(&7).await.expect("memory does not fail");
        loop {
            let (value, reported) = report(late(&cache, &origin)).await;
            assert_eq!(value.expect("it does not fail"), 7);
            if reported.calls()[0].outcome() == Outcome::Stale {
                break;
            }
        }
        assert!(cache.shutdown(Duration::from_secs(60)).await.is_clean());
    });
    assert_eq!(origin.runs(), 1);
}

#[test]
fn without_timers_a_connection_of_the_user_counts_as_away() {
    let theirs = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = theirs.block_on(RedisServer::start());
    let cache = built(Cache::builder().redis_connection(theirs.block_on(server.client())));
    let origin = Origin::default();
    without_timers().block_on(async {
        assert_eq!(somewhere(&cache, &origin).await, 1);
        somewhere_entry(&cache).invalidate().await.expect_err("there are no timers");
    });
    assert_eq!(theirs.block_on(somewhere(&cache, &origin)), 2, "where there are some, it is used");
    assert_eq!(theirs.block_on(somewhere(&cache, &origin)), 2);
}

#[test]
fn a_runtime_without_timers_takes_nothing_from_another_one() {
    let with = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = with.block_on(RedisServer::start());
    let (cache, without, origin) = (cache_on(&server), without_timers(), Origin::default());
    for run in 1..4 {
        assert_eq!(without.block_on(somewhere(&cache, &origin)), run + u64::from(run > 1));
        assert_eq!(with.block_on(somewhere(&cache, &origin)), 2);
    }
}

#[test]
fn without_io_redis_counts_as_away_and_is_not_given_up_for_that() {
    let timers = || Builder::new_current_thread().enable_time().build().expect("a runtime");
    for builder in nowhere() {
        let (cache, origin, events) = (built(builder), Origin::default(), Events::capture());
        timers().block_on(async {
            for run in 1..10 {
                assert_eq!(somewhere(&cache, &origin).await, run);
            }
            let error = somewhere_entry(&cache).invalidate().await.expect_err("it cannot connect");
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains("`enable_all()`"), "{error}");
        });
        assert_eq!(cache.health().state(), State::NotContacted, "it is not given up: others have I/O");
        let told = events.at_least(Level::WARN).iter().filter(|event| event.message.contains("has no I/O")).count();
        assert_eq!(told, 1, "{:?}", events.at_least(Level::WARN));
    }
}

//! A store that fails is left alone, probed by a task, and gone back to; meanwhile the origin is protected, and no
//! invalidation is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, ErrorKind, Outcome, State, redis_cached, report};
use futures_util::future::join_all;
use support::{Events, Origin, RedisServer, built, within};
use tokio::runtime::Builder;
use tracing::Level;

#[redis_cached(key = "answer:<id>", ttl = 600, lock = true, cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 1_000_000);
    origin.run().await
}

fn on(server: &RedisServer) -> CacheBuilder {
    Cache::builder().redis_url(server.url()).deadline(Duration::from_millis(100))
}

async fn outcome(cache: &Cache, origin: &Origin, id: u64) -> Outcome {
    report(answer(cache, origin, id)).await.1.calls()[0].outcome()
}

/// Calls until the cache has given its store up.
async fn goes_down(cache: &Cache) {
    let origin = Origin::default();
    let down = async {
        for id in 1000.. {
            if cache.health().state() == State::Down {
                break;
            }
            answer(cache, &origin, id).await;
        }
    };
    within("the breaker to open", down).await;
}

/// Waits, without a call, until the cache's own probe has found its store.
async fn is_found(cache: &Cache) {
    let found = async {
        while cache.health().state() == State::Down {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a probe of the cache", found).await;
}

#[tokio::test]
async fn a_store_that_fails_is_not_asked_any_more_and_one_event_says_so() {
    let mut server = RedisServer::start().await;
    let (cache, origin) = (built(on(&server)), Origin::default());
    answer_entry(&cache, 1).get().await.expect("the server is up");
    assert_eq!(cache.health().state(), State::Up);
    server.kill();
    let events = Events::capture();
    goes_down(&cache).await;
    let warned = events.at_least(Level::WARN).len();
    let health = cache.health();
    assert!(health.why().is_some_and(|why| why.contains("Redis")), "{health}");
    for id in 0..100 {
        assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
    }
    let said = events.at_least(Level::ERROR);
    assert_eq!(said.iter().filter(|event| event.message.contains("the store is down")).count(), 1);
    assert_eq!(events.at_least(Level::WARN).len(), warned, "a call that is shut out is no news");
    assert!(cache.health().degraded_calls() >= 100);
    let refused = answer_entry(&cache, 1).get().await.expect_err("it is not asked");
    assert_eq!(refused.kind(), ErrorKind::BreakerOpen);
}

#[tokio::test]
async fn a_server_that_hung_is_found_by_probes_and_used_again() {
    let server = RedisServer::start().await;
    let (cache, origin) = (built(on(&server)), Origin::default());
    assert_eq!(answer(&cache, &origin, 1).await, 1);
    server.pause();
    goes_down(&cache).await;
    server.resume();
    is_found(&cache).await;
    let used = async {
        while cache.health().state() != State::Up || outcome(&cache, &origin, 1).await != Outcome::Hit {
            answer(&cache, &origin, 1).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a hit on the server that came back", used).await;
    assert_eq!(cache.health().why(), None);
}

#[tokio::test]
async fn a_prober_that_went_with_its_runtime_has_a_successor() {
    let mut server = RedisServer::start().await;
    let cache = built(on(&server));
    server.kill();
    let first = cache.clone();
    let ended = tokio::task::spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(goes_down(&first));
    });
    ended.await.expect("the first runtime ends");
    server.restart().await;
    answer(&cache, &Origin::default(), 1).await;
    is_found(&cache).await;
}

/// Invalidations alone find it too, though they are no calls.
#[test]
fn a_server_that_is_only_told_of_invalidations_is_probed_as_well() {
    let stays = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let goes = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut server = stays.block_on(RedisServer::start());
    let cache = built(on(&server));
    server.kill();
    goes.block_on(goes_down(&cache));
    drop(goes);
    stays.block_on(async {
        server.restart().await;
        let told = async {
            while answer_entry(&cache, 1).invalidate().await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("an invalidation on the server that is back", told).await;
    });
}

/// A runtime on one thread does nothing between two calls of `block_on`, and its tasks with it.
#[tokio::test]
async fn a_prober_that_stands_still_with_its_runtime_has_a_successor() {
    let mut server = RedisServer::start().await;
    let cache = built(on(&server));
    server.kill();
    let first = cache.clone();
    let stands_still = tokio::task::spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(goes_down(&first));
        runtime
    });
    let stands_still = stands_still.await.expect("the breaker opens");
    server.restart().await;
    let origin = Origin::default();
    let found = async {
        while cache.health().state() == State::Down {
            answer(&cache, &origin, 1).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a probe of another runtime", found).await;
    stands_still.shutdown_background();
}

/// Counts how many of its runs are under way at once.
#[derive(Default)]
struct Crowded {
    now: AtomicU64,
    most: AtomicU64,
}

#[redis_cached(key = "crowded:<id>", ttl = 600, cache = cache, skip(cache, crowded))]
async fn crowded_run(cache: &Cache, crowded: &Crowded, id: u64) -> u64 {
    let now = crowded.now.fetch_add(1, Ordering::SeqCst) + 1;
    crowded.most.fetch_max(now, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(10)).await;
    crowded.now.fetch_sub(1, Ordering::SeqCst);
    id
}

#[tokio::test]
async fn no_more_functions_run_at_once_than_the_cap_while_the_store_is_away_and_all_callers_have_answers() {
    let mut server = RedisServer::start().await;
    server.kill();
    let (cache, crowded) = (built(on(&server).outage_concurrency(3)), Crowded::default());
    let answers = join_all((0..30).map(|id| crowded_run(&cache, &crowded, id))).await;
    assert_eq!(answers, (0..30).collect::<Vec<_>>());
    assert_eq!(crowded.most.load(Ordering::SeqCst), 3);
}

#[redis_cached(key = "hasty:<id>", timeout = Duration::from_millis(20), cache = cache, skip(cache, origin))]
async fn hasty(cache: &Cache, origin: &Arc<Origin>, id: u64) -> Result<u64, cache_runtime::Error> {
    origin.run().await;
    Ok(id)
}

#[redis_cached(
    key = "waits:<id>", lock(wait = Duration::from_millis(20)), cache = cache, skip(cache, origin)
)]
async fn waits_a_little(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    origin.run().await;
    id
}

#[tokio::test]
async fn who_waits_too_long_for_its_turn_runs_or_has_its_error() {
    let mut server = RedisServer::start().await;
    server.kill();
    let cache = built(on(&server).outage_concurrency(1));
    let origin = Arc::new(Origin::held());
    let first = answer(&cache, &origin, 1);
    let rest = async {
        origin.has_begun(1).await;
        let error = hasty(&cache, &origin, 2).await.expect_err("its turn does not come");
        assert!(error.is_timeout(), "{error}");
        // A run of its own would be a task, and begin now.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(origin.runs(), 1, "it did not run");
        let (third, ()) = tokio::join!(waits_a_little(&cache, &origin, 3), async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        assert_eq!(third, 3);
    };
    tokio::join!(first, rest);
}

#[tokio::test]
async fn values_are_kept_in_the_process_while_the_store_is_down_and_forgotten_when_it_is_back() {
    let server = RedisServer::start().await;
    let cache = built(on(&server).degraded_ttl(Duration::from_secs(60)));
    let origin = Origin::default();
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    server.pause();
    goes_down(&cache).await;
    assert_eq!(answer(&cache, &origin, 7).await, 2);
    assert_eq!((answer(&cache, &origin, 7).await, outcome(&cache, &origin, 7).await), (2, Outcome::Hit));
    let entry = answer_entry(&cache, 7);
    entry.invalidate().await.expect_err("the store is down");
    assert_eq!(answer(&cache, &origin, 7).await, 3, "an invalidation reaches what is kept here");

    assert_eq!(answer(&cache, &origin, 8).await, 4);
    server.resume();
    is_found(&cache).await;
    let elsewhere = built(on(&server));
    answer_entry(&elsewhere, 8).put(&100).await.expect("the server is back");
    let read = async {
        loop {
            let (value, report) = report(answer(&cache, &origin, 8)).await;
            if report.calls()[0].outcome() == Outcome::Hit {
                break value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(within("a hit on the server that came back", read).await, 100);
}

// The value of a run that an invalidation met on its way was kept when it came, and served for the whole degraded TTL.
#[tokio::test]
async fn a_value_that_was_loaded_before_an_invalidation_is_not_kept_after_it() {
    let mut server = RedisServer::start().await;
    server.kill();
    let cache = built(on(&server).degraded_ttl(Duration::from_secs(60)));
    goes_down(&cache).await;
    let origin = Origin::held();
    let (before, ()) = tokio::join!(answer(&cache, &origin, 1), async {
        origin.has_begun(1).await;
        answer_entry(&cache, 1).invalidate().await.expect_err("the server is down");
        origin.let_go();
    });
    assert_eq!(before, 1);
    assert_eq!(answer(&cache, &origin, 1).await, 2, "what was loaded before the invalidation");
    assert_eq!((answer(&cache, &origin, 1).await, origin.runs()), (2, 2), "what was loaded after it is kept");
}

#[tokio::test]
async fn an_invalidation_that_failed_is_repeated_until_it_is_through_and_seen_in_health() {
    let server = RedisServer::start().await;
    let (cache, origin) = (built(on(&server)), Origin::default());
    let events = Events::capture();
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    server.pause();
    answer_entry(&cache, 7).invalidate().await.expect_err("the server hangs");
    let health = cache.health();
    assert_eq!(health.pending_invalidations(), 1);
    assert!(health.pending().last_error().is_some_and(|why| why.contains("remove")), "{health}");
    assert_eq!(cache.shutdown(Duration::ZERO).await.pending_invalidations(), 1);
    let said = events.at_least(Level::ERROR);
    assert!(said.iter().any(|event| event.message.contains("were not sent")), "the shutdown says what is lost");

    server.resume();
    let paid = async {
        while cache.health().pending_invalidations() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the invalidation to be repeated", paid).await;
    let elsewhere = built(on(&server));
    assert_eq!(answer_entry(&elsewhere, 7).get().await.expect("the server is back"), None);
}

#[tokio::test]
async fn a_value_whose_invalidation_is_pending_is_not_served_even_before_it_is_sent_again() {
    let server = RedisServer::start().await;
    let (cache, origin) = (built(on(&server)), Origin::default());
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    server.pause();
    answer_entry(&cache, 7).invalidate().await.expect_err("the server hangs");
    server.resume();
    assert_ne!(answer(&cache, &origin, 7).await, 1);
    assert_ne!(answer_entry(&cache, 7).get().await.expect("the server is back"), Some(1));
}

//! A server that answers and refuses writes: out of memory, a replica, without its replicas, a user without the right. The
//! runs of a key stay bounded, no caller gets what was invalidated, and `health()` says what the server refuses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, Outcome, State, redis_cached, refresh, report};
use futures_util::future::join_all;
use support::{Events, FailingStore, Mood, Origin, PATIENCE, RedisServer, built, within};
use tokio::time::{Instant, sleep};
use tracing::Level;

/// Callers that arrive while one run is under way.
const CALLERS: usize = 50;

// Nobody comes to its limit while a test runs.
#[redis_cached(key = "answer:<id>", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 1_000);
    origin.run().await
}

fn on(server: &RedisServer) -> CacheBuilder {
    Cache::builder().redis_url(server.url()).deadline(PATIENCE)
}

async fn tell(server: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query_async::<()>(&mut server.client().await).await.expect("the server is up");
}

/// Waits until this many callers were refused a lease.
async fn is_refused(cache: &Cache, callers: u64) {
    let refused = async {
        while cache.health().degraded_calls() < callers {
            sleep(Duration::from_millis(1)).await;
        }
    };
    within("a lease to be refused", refused).await;
}

/// Plays a server that refuses writes with this word until it is told otherwise.
async fn refuses(server: RedisServer, word: &str, mend: &[&str]) {
    let (cache, origin, events) = (built(on(&server)), Origin::held(), Events::capture());
    let mut traffic = server.traffic().await;
    let waves = async {
        origin.has_begun(1).await;
        let (second, third) = tokio::join!(answer(&cache, &origin, 7), async {
            is_refused(&cache, 2).await;
            let third = join_all((0..CALLERS).map(|_| answer(&cache, &origin, 7)));
            let (third, ()) = tokio::join!(third, async {
                traffic.until("get", 2 + CALLERS).await;
                answer_entry(&cache, 8).get().await.expect("the server answers reads");
                assert_eq!(origin.runs(), 1, "a second run began beside the first");
                origin.let_go();
            });
            third
        });
        (second, third)
    };
    let (first, (second, third)) = tokio::join!(answer(&cache, &origin, 7), waves);
    assert_eq!((first, second, third, origin.runs()), (1, 2, vec![2; CALLERS], 2));
    assert_eq!(cache.health().degraded_calls(), 2, "nobody else asked for a lease");

    for id in 100..120 {
        assert_eq!(report(answer(&cache, &origin, id)).await.1.calls()[0].outcome(), Outcome::Degraded);
    }
    let health = cache.health();
    let names = |why: &str| why.to_lowercase().contains(word);
    assert!(health.refuses_writes().is_some_and(names), "{health}");
    assert!(health.to_string().contains("answers and refuses writes"), "{health}");
    assert_eq!(health.state(), State::Up, "it is asked on");
    let said = events.at_least(Level::WARN);
    assert_eq!(said.len(), 1, "one event for all calls: {said:?}");
    assert!(said[0].message.contains("refuses writes") && said[0].field("why").is_some_and(names));

    tell(&server, mend).await;
    let mended = async {
        for id in 200.. {
            answer(&cache, &origin, id).await;
            if cache.health().refuses_writes().is_none() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    within("the server to write again", mended).await;
    assert_eq!(events.all().iter().filter(|event| event.message.contains("writes again")).count(), 1);
    answer(&cache, &origin, 9).await;
    assert_eq!(report(answer(&cache, &origin, 9)).await.1.calls()[0].outcome(), Outcome::Hit);
}

#[tokio::test]
async fn out_of_memory() {
    let server = RedisServer::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    refuses(server, "oom", &["CONFIG", "SET", "maxmemory", "0"]).await;
}

#[tokio::test]
async fn as_a_replica() {
    let server = RedisServer::start_with(&["--replicaof", "127.0.0.1", "1"]).await;
    refuses(server, "readonly", &["REPLICAOF", "NO", "ONE"]).await;
}

#[tokio::test]
async fn without_its_replicas() {
    let server = RedisServer::start_with(&["--min-replicas-to-write", "1"]).await;
    refuses(server, "noreplicas", &["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
}

#[tokio::test]
async fn for_want_of_the_right_to_run_scripts() {
    let server = RedisServer::start().await;
    tell(&server, &["ACL", "SETUSER", "default", "-eval", "-evalsha"]).await;
    refuses(server, "noperm", &["ACL", "SETUSER", "default", "+@all"]).await;
}

/// A value that was loaded when its version was that.
#[redis_cached(key = "price", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, origin, version))]
async fn price(cache: &Cache, origin: &Origin, version: &AtomicU64) -> u64 {
    let loaded = version.load(Ordering::SeqCst);
    origin.run().await;
    loaded
}

#[tokio::test]
async fn a_run_from_before_an_invalidation_by_another_process_is_not_shared() {
    let server = RedisServer::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    let (ours, theirs) = (built(on(&server)), built(on(&server)));
    let (origin, version) = (Origin::held(), AtomicU64::new(1));
    let (before, after) = tokio::join!(price(&ours, &origin, &version), async {
        origin.has_begun(1).await;
        version.store(2, Ordering::SeqCst);
        price_entry(&theirs).invalidate().await.expect("a server without memory removes");
        let (after, ()) = tokio::join!(price(&ours, &origin, &version), async {
            is_refused(&ours, 2).await;
            origin.let_go();
        });
        after
    });
    assert_eq!((before, after), (1, 2));
}

/// One look that fails is not yet an outage, and the caller cannot know what was invalidated before it came.
#[tokio::test(start_paused = true)]
async fn a_run_from_before_it_is_not_shared_by_a_caller_whose_look_fails_while_the_breaker_is_closed() {
    let store = FailingStore::default();
    let theirs = built(Cache::builder().store(store.beside()));
    let ours = built(Cache::builder().store(store.clone()));
    let (origin, version) = (Origin::held(), AtomicU64::new(1));
    let (before, after) = tokio::join!(price(&ours, &origin, &version), async {
        origin.has_begun(1).await;
        version.store(2, Ordering::SeqCst);
        price_entry(&theirs).invalidate().await.expect("it is well");
        store.is(Mood::Away);
        let callers = join_all((0..3).map(|_| price(&ours, &origin, &version)));
        let (after, ()) = tokio::join!(callers, async {
            sleep(Duration::from_secs(1)).await;
            assert_eq!((origin.runs(), ours.health().state()), (1, State::Up));
            origin.let_go();
        });
        after
    });
    assert_eq!((before, after, origin.runs()), (1, vec![2; 3], 2));
}

/// Takes a second, and knows how many of its runs were under way at once.
#[derive(Default)]
struct Slow {
    runs: AtomicU64,
    now: AtomicU64,
    most: AtomicU64,
}

#[redis_cached(key = "slow", ttl = 600, cache = cache, skip(cache, slow))]
async fn slow_run(cache: &Cache, slow: &Slow) -> u64 {
    let run = slow.runs.fetch_add(1, Ordering::SeqCst) + 1;
    slow.most.fetch_max(slow.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    sleep(Duration::from_secs(1)).await;
    slow.now.fetch_sub(1, Ordering::SeqCst);
    run
}

/// So many callers, one every ten milliseconds.
async fn staggered(cache: &Cache, slow: &Slow, callers: u64) -> Duration {
    let begun = Instant::now();
    let callers = (0..callers).map(async |caller| {
        sleep(Duration::from_millis(10 * caller)).await;
        let arrived = Instant::now();
        slow_run(cache, slow).await;
        arrived.elapsed()
    });
    let waited = join_all(callers).await;
    assert!(waited.iter().all(|waited| *waited <= Duration::from_secs(2)), "{:?}", waited.iter().max());
    begun.elapsed()
}

// Once each of them was a run of its own.
#[tokio::test(start_paused = true)]
async fn a_hundred_callers_spread_over_a_run_are_two_runs() {
    let (store, slow) = (FailingStore::default(), Slow::default());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::ReadOnly);
    staggered(&cache, &slow, 100).await;
    assert_eq!((slow.runs.load(Ordering::SeqCst), slow.most.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(store.leases(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_leases_is_asked_for_no_more_than_two_for_each_run() {
    let (store, slow) = (FailingStore::default(), Slow::default());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::ReadOnly);
    staggered(&cache, &slow, 1_000).await;
    let runs = usize::try_from(slow.runs.load(Ordering::SeqCst)).expect("a few");
    assert_eq!((runs, slow.most.load(Ordering::SeqCst)), (11, 1), "one after the other, for ten seconds");
    assert!(store.leases() <= 2 * runs, "{} leases for {runs} runs", store.leases());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_one_write_and_takes_the_next_is_one_event_a_second_at_most() {
    let (store, origin, events) = (FailingStore::default(), Origin::default(), Events::capture());
    let cache = built(Cache::builder().store(store.clone()));
    for id in 0..100 {
        store.is(if id % 2 == 0 { Mood::ReadOnly } else { Mood::Well });
        answer(&cache, &origin, id).await;
        sleep(Duration::from_millis(10)).await;
    }
    assert!(cache.health().refuses_writes().is_some());
    let told = |level| events.at_least(level).iter().filter(|event| event.message.contains("write")).count();
    assert_eq!((told(Level::WARN), told(Level::INFO)), (1, 1));
    sleep(Duration::from_secs(1)).await;
    answer(&cache, &origin, 100).await;
    assert_eq!(cache.health().refuses_writes(), None);
    assert_eq!((told(Level::WARN), told(Level::INFO)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn only_what_was_refused_says_that_it_is_no_more() {
    let (store, origin) = (FailingStore::default(), Origin::default());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::ReadOnly);
    answer(&cache, &origin, 7).await;
    sleep(Duration::from_secs(10)).await;
    answer_entry(&cache, 7).invalidate().await.expect("it removes");
    answer_entry(&cache, 7).get().await.expect("it reads");
    assert!(cache.health().refuses_writes().is_some(), "a removal that succeeds says nothing of leases");
}

#[tokio::test]
async fn a_key_that_holds_something_else_is_not_the_servers_refusal() {
    let server = RedisServer::start().await;
    let (cache, origin) = (built(on(&server)), Origin::default());
    tell(&server, &["RPUSH", "answer:7", "x"]).await;
    refresh(answer(&cache, &origin, 7)).await;
    assert_eq!(cache.health().refuses_writes(), None);
}

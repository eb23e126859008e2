//! Calls that are not polled any more, and not dropped either: kept in a variable, or beside a `select!` that went on without
//! them. Others pass them in bounded time.

use std::pin::pin;
use std::time::Duration;

use cache_runtime::{Cache, Memory, Outcome, redis_cached, report};
use futures_util::future::join_all;
use support::{FailingStore, LossyProxy, Mood, Origin, OwnStore, PATIENCE, RedisServer, built, cache_on, within};
use tokio::time::{Instant, sleep, timeout};

/// What a leader that is not polled may cost a caller: the deadline, and as much again for a busy executor.
const PASSED_AFTER: Duration = Duration::from_millis(500);

#[redis_cached(key = "answer", ttl = 600, lock(wait = "60s", lease = "300s"), cache = cache, skip(cache, origin))]
async fn locked(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[redis_cached(key = "answer", ttl = 600, cache = cache, skip(cache, origin))]
async fn unlocked(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

/// How long a step on the store takes.
const STEP: Duration = Duration::from_millis(80);

// Once each caller waited for five seconds and a half, for as long as the future existed.
#[tokio::test(start_paused = true)]
async fn a_leader_that_is_not_polled_before_its_function_runs_is_passed() {
    let (store, origin) = (FailingStore::default(), Origin::default());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::Slow(STEP));
    let mut stuck = Box::pin(locked(&cache, &origin));
    timeout(STEP * 3 / 2, &mut stuck).await.expect_err("it has asked for the lease");
    let begun = Instant::now();
    assert_eq!(tokio::join!(locked(&cache, &origin), locked(&cache, &origin)), (1, 1));
    // Besides, two looks, a lease and a commit.
    assert!(begun.elapsed() < PASSED_AFTER + 5 * STEP, "{:?}", begun.elapsed());

    locked_entry(&cache).invalidate().await.expect("it is well");
    let begun = Instant::now();
    assert_eq!(locked(&cache, &origin).await, 2);
    assert_eq!(begun.elapsed(), 3 * STEP, "whoever comes later does not wait at all");
    assert_eq!(stuck.await, 2, "and the leader goes on as if nothing had been, once it is polled");
}

/// The lease that it has been granted is displaced: it would be there for five minutes.
#[tokio::test]
async fn on_a_real_server_its_lease_is_displaced() {
    let server = RedisServer::start().await;
    let proxy = LossyProxy::before(&server).await;
    let cache = built(Cache::builder().redis_url(proxy.url()).deadline(Duration::from_secs(1)));
    let origin = Origin::default();
    locked(&cache, &origin).await;
    locked_entry(&cache).invalidate().await.expect("the server is up");

    proxy.lose_the_next_answer_to("EVALSHA");
    let mut stuck = Box::pin(locked(&cache, &origin));
    tokio::select! {
        _ = &mut stuck => unreachable!("its lease is not answered"),
        () = proxy.has_lost() => {}
    }
    proxy.cut();
    assert_eq!(within("a caller that passes it", locked(&cache, &origin)).await, 2);
    let (value, reported) = report(locked(&cache, &origin)).await;
    assert_eq!((value, reported.calls()[0].outcome()), (2, Outcome::Hit), "the value is stored");
    drop(stuck);
    assert!(cache.shutdown(PATIENCE).await.is_clean());
    let elsewhere = cache_on(&server);
    assert_eq!(locked_entry(&elsewhere).get().await.expect("the server is up"), Some(2), "and stays");
}

/// It is the body that is not polled: the lease is not renewed, and is over after three seconds; who came before that waits
/// up to its limit.
#[tokio::test(start_paused = true)]
async fn in_memory_a_body_that_is_not_polled_holds_callers_up_to_their_limit_and_its_lease_no_longer_than_that() {
    let (cache, origin) = (built(Cache::builder().memory(Memory::entries(10))), Origin::held());
    let mut stuck = Box::pin(unlocked(&cache, &origin));
    timeout(Duration::from_secs(1), &mut stuck).await.expect_err("the origin is held");
    origin.let_go();
    let begun = Instant::now();
    let (early, late) = tokio::join!(
        async {
            unlocked(&cache, &origin).await;
            begun.elapsed()
        },
        async {
            sleep(Duration::from_secs(3)).await;
            let begun = Instant::now();
            unlocked(&cache, &origin).await;
            begun.elapsed()
        }
    );
    assert_eq!((early, late), (Duration::from_secs(3), Duration::ZERO), "the value of the later one serves both");
    assert_eq!(report(unlocked(&cache, &origin)).await.1.calls()[0].outcome(), Outcome::Hit);
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_waits_for_another_process_and_is_not_polled_is_passed() {
    let store = OwnStore::default();
    let [ours, theirs] = [store.clone(), store].map(|store| built(Cache::builder().store(store)));
    let origin = Origin::held();
    let mut holder = pin!(locked(&theirs, &origin));
    let mut stuck = Box::pin(locked(&ours, &origin));
    let waits = async {
        timeout(Duration::from_secs(1), &mut stuck).await.expect_err("it waits for the other process");
        let begun = Instant::now();
        let (value, ()) = tokio::join!(locked(&ours, &origin), async {
            sleep(Duration::from_secs(10)).await;
            origin.let_go();
        });
        (value, begun.elapsed())
    };
    let (held, (value, waited)) = tokio::join!(&mut holder, waits);
    assert_eq!((held, value), (1, 1));
    assert_eq!(waited.as_secs(), 10, "it waits for the other process by itself, and not for the limit of a minute");
    drop(stuck);
}

/// A leader that is polled while it waits for another process is not passed: its callers do not ask the store in its stead.
#[tokio::test(start_paused = true)]
async fn a_leader_that_waits_for_another_process_for_long_is_not_passed() {
    let store = FailingStore::default();
    let ours = built(Cache::builder().store(store.clone()));
    let theirs = built(Cache::builder().store(store.beside()));
    let origin = Origin::held();
    let waits = async {
        origin.has_begun(1).await;
        let (waited, ()) = tokio::join!(join_all((0..100).map(|_| locked(&ours, &origin))), async {
            sleep(Duration::from_secs(10)).await;
            origin.let_go();
        });
        waited
    };
    let (held, waited) = tokio::join!(locked(&theirs, &origin), waits);
    assert_eq!((held, waited), (1, vec![1; 100]));
    // Each of them once, and one of them ten times a second and some more, with its pauses spread.
    assert!((200..300).contains(&store.looks().len()), "{} looks", store.looks().len());
}

#[redis_cached(key = "turn:<id>", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, origin))]
async fn in_turn(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 10);
    origin.run().await
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_waits_for_its_turn_is_not_passed() {
    let (store, origin) = (FailingStore::default(), Origin::held());
    let cache = built(Cache::builder().store(store.clone()).outage_concurrency(1));
    store.is(Mood::ReadOnly);
    let second = async {
        origin.has_begun(1).await;
        let (second, ()) = tokio::join!(join_all((0..10).map(|_| in_turn(&cache, &origin, 2))), async {
            sleep(Duration::from_secs(10)).await;
            origin.let_go();
        });
        second
    };
    let (first, second) = tokio::join!(in_turn(&cache, &origin, 1), second);
    assert_eq!((first, second), (1, vec![2; 10]));
}

/// Behind a run that cannot have the lease stands a leader that is not polled when its turn comes.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_turn_has_come_and_that_is_not_polled_is_passed() {
    let (store, origin) = (FailingStore::default(), Origin::held());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::ReadOnly);
    let next = async {
        let mut stuck = Box::pin(locked(&cache, &origin));
        timeout(Duration::from_secs(1), &mut stuck).await.expect_err("the first run is under way");
        let (value, waited) = tokio::join!(locked(&cache, &origin), async {
            sleep(Duration::from_secs(1)).await;
            origin.let_go();
            Instant::now()
        });
        drop(stuck);
        (value, waited.elapsed())
    };
    let (first, (second, waited)) = tokio::join!(locked(&cache, &origin), next);
    assert_eq!((first, second), (1, 2));
    assert_eq!(waited, PASSED_AFTER);
}

//! Puts, and what others see of a key while it is written: they run the function, and store nothing.

use std::time::Duration;

use cache_runtime::store::{Ended, Leased};
use cache_runtime::test_util::{Displaces, StoreKey, token, value};
use cache_runtime::{Cache, Memory, Outcome, redis_cached, refresh, report};
use futures_util::FutureExt;
use futures_util::future::join_all;
use support::{Events, FailingStore, Mood, Origin, RedisServer, Stage, built, cache_on, on_every_store, within};
use tracing::Level;

on_every_store!(
    while_a_key_is_written_the_function_runs_and_nothing_is_stored,
    a_forced_refresh_stores_nothing_while_the_key_is_written,
    a_caller_that_comes_when_one_of_two_writers_has_ended_runs_anew,
    a_put_beside_another_write_is_confirmed_and_stores_nothing,
    a_put_repeats_itself,
);

const KEY: &str = "price:7";
const MINUTE: Duration = Duration::from_secs(60);

// It would wait for another process longer than a test waits for anything.
#[redis_cached(key = "price:<id>", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, origin))]
async fn price(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id > 0);
    origin.run().await
}

async fn stored(cache: &Cache) -> Option<u64> {
    price_entry(cache, 7).get().await.expect("the store is up")
}

/// Begins a write of the key, as another process would.
async fn begin(stage: &Stage, writer: u64) {
    let key = StoreKey::new(&stage.cache, KEY);
    key.begin_write(writer, 100 + writer, MINUTE).await.expect("the store is up");
}

async fn end(stage: &Stage, writer: u64) -> Ended {
    let key = StoreKey::new(&stage.cache, KEY);
    key.end_write(writer, token(100 + writer), None).await.expect("the store is up")
}

async fn while_a_key_is_written_the_function_runs_and_nothing_is_stored(stage: Stage) {
    let origin = Origin::default();
    begin(&stage, 1).await;
    for run in 1..=2 {
        let (value, reported) = within("a call that waits for nobody", report(price(&stage.cache, &origin, 7))).await;
        let called = &reported.calls()[0];
        assert_eq!((value, called.outcome(), called.stored()), (run, Outcome::Miss, false));
        assert_eq!(stored(&stage.cache).await, None);
    }
    assert_eq!(end(&stage, 1).await, Ended::Removed, "the write is still there");
    assert_eq!(price(&stage.cache, &origin, 7).await, 3);
    assert_eq!(stored(&stage.cache).await, Some(3));
}

async fn a_forced_refresh_stores_nothing_while_the_key_is_written(stage: Stage) {
    let origin = Origin::default();
    price(&stage.cache, &origin, 7).await;
    begin(&stage, 1).await;
    assert_eq!(refresh(price(&stage.cache, &origin, 7)).await, 2);
    assert_eq!(stored(&stage.cache).await, None);
    assert_eq!(end(&stage, 1).await, Ended::Removed, "the write is still there");
}

// In this process nothing waits for an answer: a call that is polled once has joined a run, or has begun its own.
#[tokio::test]
async fn callers_that_come_one_after_the_other_share_one_run_while_the_key_is_written() {
    let (stage, origin) = (Stage::memory().await, Origin::held());
    begin(&stage, 1).await;
    let mut callers: Vec<_> = (0..10).map(|_| Box::pin(report(price(&stage.cache, &origin, 7)))).collect();
    for caller in &mut callers {
        assert!(caller.as_mut().now_or_never().is_none(), "the origin is held");
    }
    assert_eq!(origin.runs(), 1);
    origin.let_go();
    let outcomes = join_all(callers).await.into_iter().map(|(value, report)| (value, report.calls()[0].outcome()));
    let expected = (0..10).map(|caller| (1, if caller == 0 { Outcome::Miss } else { Outcome::Coalesced }));
    assert!(outcomes.eq(expected), "one of them runs, and the others have its value");
}

#[tokio::test]
async fn a_call_that_finds_a_write_asks_the_server_for_nothing_more() {
    let (stage, origin) = (Stage::redis().await, Origin::default());
    begin(&stage, 1).await;
    let mut traffic = stage.server().expect("the stage is on Redis").traffic().await;
    price(&stage.cache, &origin, 7).await;
    assert_eq!(traffic.sent().await, ["get"]);
}

/// What ran before one of the writers ended may be older than what that one wrote.
async fn a_caller_that_comes_when_one_of_two_writers_has_ended_runs_anew(stage: Stage) {
    let origin = Origin::held();
    begin(&stage, 1).await;
    begin(&stage, 2).await;
    let (before, after) = tokio::join!(price(&stage.cache, &origin, 7), async {
        origin.has_begun(1).await;
        assert_eq!(end(&stage, 1).await, Ended::Overlapped);
        let (after, ()) = tokio::join!(price(&stage.cache, &origin, 7), async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        after
    });
    assert_eq!((before, after), (1, 2));
}

async fn a_put_beside_another_write_is_confirmed_and_stores_nothing(stage: Stage) {
    let events = Events::capture();
    begin(&stage, 1).await;
    price_entry(&stage.cache, 7).put(&5).await.expect("the store is up");
    assert!(events.all().iter().any(|event| event.message.contains("the value is not stored")), "nobody is told");
    assert_eq!(stored(&stage.cache).await, None);
    assert_eq!(end(&stage, 1).await, Ended::Overlapped);
    price_entry(&stage.cache, 7).put(&6).await.expect("the store is up");
    assert_eq!(stored(&stage.cache).await, Some(6));
}

async fn a_put_repeats_itself(stage: Stage) {
    for value in 1..=3 {
        price_entry(&stage.cache, 7).put(&value).await.expect("the store is up");
        assert_eq!(stored(&stage.cache).await, Some(value));
    }
}

#[tokio::test]
async fn a_caller_that_waits_for_another_process_goes_on_when_the_key_is_written() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let (our_origin, their_origin) = (Origin::default(), Origin::held());
    let (_, called) = tokio::join!(price(&theirs, &their_origin, 7), async {
        their_origin.has_begun(1).await;
        let mut traffic = server.traffic().await;
        let goes_on = within("a call that waits no more", report(price(&ours, &our_origin, 7)));
        let (called, ()) = tokio::join!(goes_on, async {
            // It looks, and looks again when it waits.
            traffic.until("get", 2).await;
            StoreKey::new(&theirs, KEY).begin_write(1, 2, MINUTE).await.expect("the server is up");
        });
        their_origin.let_go();
        called
    });
    assert_eq!((called.0, called.1.calls()[0].stored()), (1, false));
    assert_eq!(stored(&ours).await, None, "neither of them is stored");
}

#[tokio::test]
async fn a_full_store_does_not_forget_that_a_key_is_written() {
    let cache = built(Cache::builder().memory(Memory::entries(10)));
    let (key, origin) = (StoreKey::new(&cache, KEY), Origin::default());
    let generation = key.begin_write(1, 2, MINUTE).await.expect("it is in this process");
    // What is used again drives out what is not.
    for id in (1_000..2_000).flat_map(|id| [id; 3]) {
        price(&cache, &origin, id).await;
    }
    assert_ne!(key.lease(9, MINUTE, Displaces::Anything).await.expect("it is in this process"), Leased::Granted);
    let ended = key.end_write(1, generation, Some((value(2, KEY), MINUTE))).await;
    assert_eq!(ended.expect("it is in this process"), Ended::Stored);
}

/// Nobody knows what the store has done, and the value that was to be replaced is old.
#[tokio::test(start_paused = true)]
async fn a_put_that_failed_leaves_nothing_of_the_value_that_it_was_to_replace() {
    for mood in [Mood::Refusing, Mood::Away, Mood::Hung] {
        let store = FailingStore::default();
        let (cache, events) = (built(Cache::builder().store(store.clone())), Events::capture());
        price(&cache, &Origin::default(), 7).await;
        store.is(mood);
        price_entry(&cache, 7).put(&5).await.expect_err("the store fails");
        assert_eq!(cache.health().pending_invalidations(), 1, "{mood:?}");
        let said = events.at_least(Level::WARN);
        assert!(said.iter().any(|event| event.message.contains("a put failed")), "{said:?}");
        store.is(Mood::Well);
        assert_eq!(stored(&cache).await, None, "{mood:?}");
        assert_eq!(cache.health().pending_invalidations(), 0);
    }
}

/// Otherwise the invalidation that is pending since the first one would remove the newer value.
#[tokio::test(start_paused = true)]
async fn a_put_that_succeeds_after_one_that_failed_stays() {
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::Refusing);
    price_entry(&cache, 7).put(&5).await.expect_err("the store refuses");
    store.is(Mood::Well);
    price_entry(&cache, 7).put(&6).await.expect("the store is well");
    assert_eq!(cache.health().pending_invalidations(), 0);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(stored(&cache).await, Some(6));
    assert_eq!(store.removals(), []);
}

#[redis_cached(key = "text:<id>", ttl = 600, cache = cache, skip(cache))]
async fn text(cache: &Cache, id: u64) -> String {
    format!("{id}")
}

#[redis_cached(key = "never", ttl = Duration::ZERO, cache = cache, skip(cache))]
async fn never(cache: &Cache) -> u64 {
    1
}

#[tokio::test]
async fn a_put_that_no_store_would_take_leaves_what_is_cached() {
    let cache = built(Cache::builder().store(FailingStore::default()).max_entry_bytes(2_000));
    assert_eq!(text(&cache, 7).await, "7");
    text_entry(&cache, 7).put(&"x".repeat(3_000)).await.expect_err("it is too long");
    never_entry(&cache).put(&2).await.expect_err("its TTL is zero");
    assert_eq!(cache.health().pending_invalidations(), 0);
    assert_eq!(text_entry(&cache, 7).get().await.expect("the store is well").as_deref(), Some("7"));
}

/// The key would stay without a value until the write expires.
#[tokio::test(start_paused = true)]
async fn a_put_that_is_dropped_half_way_ends_its_write() {
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()).deadline(MINUTE));
    let key = StoreKey::new(&cache, KEY);
    store.is(Mood::Slow(Duration::from_secs(1)));
    let entry = price_entry(&cache, 7);
    let put = tokio::time::timeout(Duration::from_millis(1_500), entry.put(&5)).await;
    put.expect_err("it has begun, and has not ended");
    store.is(Mood::Well);
    let ended = async {
        while key.get().await.expect("the store is well").is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), ended).await.expect("it is ended at once");
}

//! Keys that are kept: each removal is repeated until it gets through, and settles the failures before it was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, EndRequest, Ended, LeaseRequest, Leased, Token, WriteRequest};
use cache_runtime::{Cache, Error, ErrorKind, Store, redis_cached};
use support::{Events, FailingStore, Mood, RedisServer, built, within};
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::Level;

use super::{Ruled, Rules, Versions, all_get_through, fails_to_invalidate, refused, version, version_entry};

/// What becomes of a removal.
#[derive(Clone, Copy)]
enum Removal {
    /// It happens at once, and is answered late.
    Late,
    Fails,
}

/// A store whose removals come to this, one after the other; those after them are not answered.
#[derive(Clone)]
struct LateAnswer {
    script: &'static [Removal],
    removals: Arc<AtomicU32>,
    answers: Arc<Notify>,
}

impl LateAnswer {
    fn with(script: &'static [Removal]) -> Self {
        Self { script, removals: Arc::default(), answers: Arc::default() }
    }

    /// Waits until so many removals were asked for.
    async fn has_heard(&self, removals: u32) {
        let heard = async {
            while self.removals.load(Ordering::SeqCst) < removals {
                tokio::task::yield_now().await;
            }
        };
        within("the removals", heard).await;
    }
}

impl Store for LateAnswer {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, Error> {
        Ok(None)
    }

    async fn lease(&self, _: &str, _: &LeaseRequest) -> Result<Leased, Error> {
        Ok(Leased::Granted)
    }

    async fn renew(&self, _: &str, _: Token, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn commit(&self, _: &str, _: Token, _: Bytes, _: Duration) -> Result<Commit, Error> {
        Ok(Commit::Stored)
    }

    async fn release(&self, _: &str, _: Token, _: Duration) -> Result<(), Error> {
        Ok(())
    }

    async fn begin_write(&self, _: &str, request: &WriteRequest) -> Result<Token, Error> {
        Ok(request.generation())
    }

    async fn renew_write(&self, _: &str, _: Token, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn end_write(&self, _: &str, _: &EndRequest) -> Result<Ended, Error> {
        Ok(Ended::Stored)
    }

    async fn remove(&self, _: &str) -> Result<(), Error> {
        match self.script.get(self.removals.fetch_add(1, Ordering::SeqCst) as usize) {
            Some(Removal::Late) => self.answers.notified().await,
            Some(Removal::Fails) => return Err(Error::new(ErrorKind::Unavailable, "away")),
            None => std::future::pending().await,
        }
        Ok(())
    }
}

#[redis_cached(key = "answer", ttl = 600, cache = cache, skip(cache))]
async fn answer(cache: &Cache) -> u64 {
    1
}

// The answer to an earlier removal came after a later one had failed, and settled that one too.
#[tokio::test]
async fn an_invalidation_does_not_settle_a_failure_that_came_after_it_was_sent() {
    let store = LateAnswer::with(&[Removal::Late, Removal::Fails]);
    let cache = built(Cache::builder().store(store.clone()).deadline(Duration::from_secs(60)));
    let entry = answer_entry(&cache);
    let (first, ()) = tokio::join!(entry.invalidate(), async {
        store.has_heard(1).await;
        answer_entry(&cache).invalidate().await.expect_err("the second removal fails");
        assert_eq!(cache.health().pending_invalidations(), 1);
        store.answers.notify_one();
    });
    first.expect("the first removal is answered");
    assert_eq!(cache.health().pending_invalidations(), 1, "the second is still pending");
}

// Virtual time stands still while a task is busy, so that no removal is repeated in between.
#[tokio::test(start_paused = true)]
async fn an_invalidation_settles_the_failure_before_it_was_sent_and_not_the_one_that_came_in_its_place() {
    let store = LateAnswer::with(&[Removal::Fails, Removal::Late, Removal::Fails]);
    let cache = built(Cache::builder().store(store.clone()).deadline(Duration::from_secs(60)));
    answer_entry(&cache).invalidate().await.expect_err("the first removal fails");
    let second = answer_entry(&cache);
    let (second, ()) = tokio::join!(second.invalidate(), async {
        store.has_heard(2).await;
        answer_entry(&cache).invalidate().await.expect_err("the third removal fails");
        store.answers.notify_one();
    });
    second.expect("the second removal is answered");
    assert_eq!(cache.health().pending_invalidations(), 1, "the third is still pending");
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_key_whose_invalidation_failed_repeats_it_first() {
    let store = FailingStore::default();
    let (cache, events) = (built(Cache::builder().store(store.clone())), Events::capture());
    version(&cache, &Versions::default(), 7).await;
    store.is(Mood::Refusing);
    version_entry(&cache, 7).invalidate().await.expect_err("the store refuses");
    let said = events.at_least(Level::ERROR);
    assert!(said.len() == 1 && said[0].message.contains("an invalidation failed"), "{said:?}");
    version_entry(&cache, 7).get().await.expect_err("it is repeated, and the store refuses");
    store.is(Mood::Well);
    assert_eq!(version_entry(&cache, 7).get().await.expect("the store is well"), None);
    assert_eq!(cache.health().pending_invalidations(), 0);
}

#[redis_cached(key = "one:<id>", ttl = 600, cache = cache, skip(cache))]
async fn one_of_many(cache: &Cache, id: u64) -> u64 {
    id
}

#[tokio::test]
async fn a_key_that_is_refused_does_not_hold_up_the_others() {
    let server = RedisServer::start().await;
    let cache = built(Cache::builder().redis_url(server.url()).deadline(Duration::from_millis(100)));
    let mut admin = server.client().await;
    for id in 1..=8 {
        one_of_many(&cache, id).await;
    }
    server.pause();
    for id in 1..=8 {
        one_of_many_entry(&cache, id).invalidate().await.expect_err("nothing answers");
    }
    server.resume();
    let mut rules = redis::cmd("ACL");
    rules.arg(&["SETUSER", "default", "resetkeys"]);
    for id in [1, 2, 3, 5, 6, 7, 8] {
        rules.arg(format!("~one:{id}"));
    }
    rules.query_async::<()>(&mut admin).await.expect("the rules are well formed");
    let sent = async {
        while cache.health().pending_invalidations() > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    within("all invalidations but the one that is refused", sent).await;
    let health = cache.health();
    assert!(health.pending().last_error().is_some_and(|why| why.contains("NOPERM")), "{health}");
}

#[tokio::test(start_paused = true)]
async fn the_removals_of_many_keys_are_repeated_many_at_a_time() {
    const KEYS: u64 = 3_200;
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()).deadline(Duration::from_secs(1)));
    store.is(Mood::Refusing);
    fails_to_invalidate(&cache, 0..KEYS).await;
    store.is(Mood::Slow(Duration::from_millis(100)));
    let before = store.removals().len();
    all_get_through(&cache).await;
    let mut moments = store.removals().split_off(before);
    assert_eq!(moments.len() as u64, KEYS);
    moments.dedup();
    assert!(moments.len() <= 60, "{KEYS} removals were sent at {} moments", moments.len());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_all_removals_is_asked_for_few_of_them_at_a_time() {
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::Refusing);
    fails_to_invalidate(&cache, 0..5_000).await;
    let before = store.removals().len();
    sleep(Duration::from_secs(60)).await;
    // At most 30 rounds, after pauses that grow to 5 s and are up to a half shorter.
    let repeated = store.removals().len() - before;
    assert!((5_000..=30 * 1_024).contains(&repeated), "{repeated} removals in a minute");
    store.is(Mood::Well);
    all_get_through(&cache).await;
}

/// Removes nothing, and later all but the keys of the first thousands in the order of keys.
#[derive(Default)]
struct Picky(std::sync::atomic::AtomicBool);

impl Rules for Picky {
    fn removal(&self, key: &str) -> Result<(), Error> {
        let removes = self.0.load(Ordering::SeqCst) && !key.starts_with("version:1");
        removes.then_some(()).ok_or_else(refused)
    }
}

#[tokio::test(start_paused = true)]
async fn thousands_of_keys_that_are_refused_do_not_hold_up_those_behind_them() {
    let store = Ruled::by(Picky::default());
    let cache = built(Cache::builder().store(store.clone()));
    fails_to_invalidate(&cache, (100_000..103_000).chain(200_000..200_010)).await;
    store.rules.0.store(true, Ordering::SeqCst);
    let sent = async {
        while cache.health().pending_invalidations() > 3_000 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), sent).await.expect("the keys behind are reached");
}

//! What an invalidation that got through pays: what was owed when it was sent, and nothing later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, EndRequest, Ended, LeaseRequest, Leased, Token, WriteRequest};
use cache_runtime::{Cache, Error, ErrorKind, Store, redis_cached};
use support::{Events, FailingStore, Mood, Origin, RedisServer, built, within};
use tokio::sync::Notify;
use tracing::Level;

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

// The answer to an earlier removal came after a later one had failed, and took its debt away.
#[tokio::test]
async fn an_invalidation_does_not_pay_what_came_to_be_owed_after_it_was_sent() {
    let store = LateAnswer::with(&[Removal::Late, Removal::Fails]);
    let cache = built(Cache::builder().store(store.clone()).deadline(Duration::from_secs(60)));
    let entry = answer_entry(&cache);
    let (first, ()) = tokio::join!(entry.invalidate(), async {
        store.has_heard(1).await;
        answer_entry(&cache).invalidate().await.expect_err("the second removal fails");
        assert_eq!(cache.health().owed_invalidations(), 1);
        store.answers.notify_one();
    });
    first.expect("the first removal is answered");
    assert_eq!(cache.health().owed_invalidations(), 1, "the second is still owed");
}

// Virtual time stands still while a task is busy, so that what is owed is not repeated in between.
#[tokio::test(start_paused = true)]
async fn an_invalidation_pays_what_was_owed_when_it_was_sent_and_not_what_came_in_its_place() {
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
    assert_eq!(cache.health().owed_invalidations(), 1, "the third is still owed");
}

#[redis_cached(key = "value:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn value(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 1_000_000);
    origin.run().await
}

/// Ten thousand are remembered.
async fn owes_all_that_it_can(cache: &Cache) {
    for id in 100_000..110_000 {
        value_entry(cache, id).invalidate().await.expect_err("the store refuses");
    }
    assert_eq!(cache.health().owed_invalidations(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_key_whose_invalidation_failed_repeats_it_first() {
    let store = FailingStore::default();
    let (cache, events) = (built(Cache::builder().store(store.clone())), Events::capture());
    value(&cache, &Origin::default(), 7).await;
    store.is(Mood::Refusing);
    value_entry(&cache, 7).invalidate().await.expect_err("the store refuses");
    let said = events.at_least(Level::ERROR);
    assert!(said.len() == 1 && said[0].message.contains("an invalidation failed"), "{said:?}");
    value_entry(&cache, 7).get().await.expect_err("it is repeated, and the store refuses");
    store.is(Mood::Well);
    assert_eq!(value_entry(&cache, 7).get().await.expect("the store is well"), None);
    assert_eq!(cache.health().owed_invalidations(), 0);
}

// What another process has loaded before an invalidation that was forgotten, it may store after that.
#[tokio::test]
async fn what_was_being_loaded_when_an_invalidation_was_forgotten_is_not_trusted() {
    let store = FailingStore::default();
    let on = |store: FailingStore| built(Cache::builder().store(store));
    let (ours, theirs) = (on(store.clone()), on(store.beside()));
    let origin = Origin::held();
    let (loaded, ()) = tokio::join!(value(&theirs, &origin, 7), async {
        origin.has_begun(1).await;
        store.is(Mood::Refusing);
        owes_all_that_it_can(&ours).await;
        value_entry(&ours, 7).invalidate().await.expect_err("the store refuses");
        store.is(Mood::Well);
        // An entry says to 10 ms when it was stored.
        tokio::time::sleep(Duration::from_millis(20)).await;
        origin.let_go();
    });
    assert_eq!((loaded, value_entry(&theirs, 7).get().await.expect("the store is well")), (1, Some(1)));
    assert_eq!(value_entry(&ours, 7).get().await.expect("the store is well"), None);
    assert_eq!(value(&ours, &origin, 7).await, 2);
}

#[tokio::test]
async fn a_shutdown_says_how_much_is_owed_and_why() {
    let store = FailingStore::default();
    let cache = built(Cache::builder().store(store.clone()));
    let events = Events::capture();
    assert_eq!(cache.shutdown(Duration::ZERO).await, 0);
    assert_eq!(events.all(), [], "nothing is owed");

    store.is(Mood::Refusing);
    for id in 1..=3 {
        value_entry(&cache, id).invalidate().await.expect_err("the store refuses");
    }
    cache.shutdown(Duration::ZERO).await;
    let all = events.all();
    let said = all.iter().find(|event| event.message.contains("were not repeated")).expect("it is said");
    assert_eq!((said.level, said.field("count"), said.field("why")), (Level::ERROR, Some("3"), Some("it refuses")));
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
    let paid = async {
        while cache.health().owed_invalidations() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("all invalidations but the one that is refused", paid).await;
    let health = cache.health();
    assert!(health.owed_error().is_some_and(|why| why.contains("NoPerm")), "{health}");
}

//! Sweeps of stores that are not Redis: one of the user's own says how it is swept, if it can be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, EndRequest, Ended, LeaseRequest, Leased, Swept, Token, WriteRequest};
use cache_runtime::{Cache, Error, Memory, Store, Sweep};
use support::{Events, FailingStore, Mood, Origin, built};
use tokio::sync::Semaphore;
use tracing::Level;

use super::{
    Ruled, Rules, Versions, all_get_through, eventually, fails_to_invalidate, fill, keeping_none, refused, seen, slow,
    slow_entry, version,
};

/// Sweeps in three steps, each once it is let; the second one fails at first.
struct InSteps {
    lets: Semaphore,
    cursors: Mutex<Vec<u64>>,
    fails: AtomicBool,
}

impl Rules for InSteps {
    fn removal(&self, _: &str) -> Result<(), Error> {
        Err(refused())
    }

    async fn sweep(&self, cursor: u64) -> Result<Swept, Error> {
        self.cursors.lock().expect("nothing panics").push(cursor);
        self.lets.acquire().await.expect("it is never closed").forget();
        match cursor {
            2 => Ok(Swept::Done),
            1 if self.fails.swap(false, Ordering::SeqCst) => Err(refused()),
            cursor => Ok(Swept::More(cursor + 1)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_during_a_sweep_is_covered_by_the_next_one() {
    let rules = InSteps { lets: Semaphore::new(0), cursors: Mutex::default(), fails: AtomicBool::new(true) };
    let store = Ruled::by(rules);
    let cache = built(Cache::builder().store(store.clone()).max_pending_bytes(0).deadline(Duration::from_secs(60)));
    let cursors = || store.rules.cursors.lock().expect("nothing panics").clone();
    let unkept = || cache.health().pending().unkept();
    fails_to_invalidate(&cache, [1, 2]).await;
    eventually("the first step", async || cursors() == [0]).await;
    store.rules.lets.add_permits(1);
    eventually("the second step", async || cursors() == [0, 1]).await;
    assert_eq!((cache.health().pending().sweep(), unkept()), (Sweep::Running, 2));
    fails_to_invalidate(&cache, [3]).await;
    store.rules.lets.add_permits(3);
    eventually("another sweep", async || cursors() == [0, 1, 1, 2, 0]).await;
    assert_eq!((unkept(), cache.health().pending().sweep()), (1, Sweep::Running), "two of them are covered");
    store.rules.lets.add_permits(3);
    all_get_through(&cache).await;
    assert_eq!(cursors(), [0, 1, 1, 2, 0, 1, 2]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cursors().len(), 7, "it is over");
}

/// Failures pile up while the server is away: one sweep covers them all.
#[tokio::test(start_paused = true)]
async fn a_sweep_covers_what_failed_before_its_first_step_got_through() {
    let rules = InSteps { lets: Semaphore::new(0), cursors: Mutex::default(), fails: AtomicBool::new(false) };
    let store = Ruled::by(rules);
    let cache = built(Cache::builder().store(store.clone()).max_pending_bytes(0));
    fails_to_invalidate(&cache, [1]).await;
    let steps = || store.rules.cursors.lock().expect("nothing panics").len();
    eventually("the first step to be late twice", async || steps() > 2).await;
    fails_to_invalidate(&cache, [2]).await;
    let late = steps();
    eventually("another try", async || steps() > late).await;
    store.rules.lets.add_permits(3);
    all_get_through(&cache).await;
    let cursors = store.rules.cursors.lock().expect("nothing panics").clone();
    assert!(cursors.ends_with(&[0, 1, 2]) && cursors.iter().filter(|cursor| **cursor == 1).count() == 1, "{cursors:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_swept_is_asked_once_and_its_invalidations_stay_pending() {
    let store = FailingStore::default();
    let (cache, versions) = (keeping_none(Cache::builder().store(store.clone())), Versions::default());
    version(&cache, &versions, 1).await;
    let events = Events::capture();
    store.is(Mood::Refusing);
    fails_to_invalidate(&cache, [1, 2]).await;
    store.is(Mood::Well);
    // Entries have the time of this machine, which is not virtual: by a minute more they would look new.
    tokio::time::sleep(Duration::from_secs(50)).await;
    let health = cache.health();
    assert_eq!((health.pending_invalidations(), health.pending().sweep()), (2, Sweep::Unsupported), "{health}");
    versions.write();
    assert_eq!(version(&cache, &versions, 1).await, 1, "what was loaded before is never used");
    let said = events.at_least(Level::ERROR);
    assert_eq!(said.iter().filter(|event| event.message.contains("cannot list its keys")).count(), 1);
}

/// The in-process store of the crate, behind one that does not remove everything.
#[derive(Clone)]
struct Wrapped(Arc<Memory>);

impl Store for Wrapped {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.0.get(key).await
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        self.0.lease(key, request).await
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        self.0.renew(key, token, ttl).await
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        self.0.commit(key, token, entry, ttl).await
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        self.0.release(key, token, hold_off).await
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        self.0.begin_write(key, request).await
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        self.0.renew_write(key, writer, ttl).await
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        self.0.end_write(key, request).await
    }

    async fn remove(&self, _: &str) -> Result<(), Error> {
        Err(refused())
    }

    async fn sweep(&self, prefix: &str, cursor: u64) -> Result<Swept, Error> {
        self.0.sweep(prefix, cursor).await
    }
}

#[tokio::test]
async fn the_in_process_store_can_be_swept_too_by_a_store_around_it() {
    let memory = Wrapped(Arc::new(Memory::entries(1_000)));
    let on = |prefix| Cache::builder().store(memory.clone()).prefix(prefix);
    let (ours, theirs, versions) = (keeping_none(on("shop")), built(on("shopping")), Versions::default());
    fill(&ours, &versions, 0..5).await;
    fill(&theirs, &versions, 0..5).await;
    let origin = Origin::held();
    tokio::join!(slow(&ours, &origin), async {
        origin.has_begun(1).await;
        fails_to_invalidate(&ours, [1]).await;
        all_get_through(&ours).await;
        origin.let_go();
    });
    assert_eq!(slow_entry(&ours).get().await.expect("it is in this process"), None, "its lease was removed");
    assert_eq!((seen(&ours, 0..5).await, seen(&theirs, 0..5).await), (0, 5));
}

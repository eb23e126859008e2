//! What an invalidation that got through pays: what was owed when it was sent, and nothing later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, LeaseRequest, Leased, Token};
use cache_runtime::{Cache, Error, ErrorKind, Store, redis_cached};
use support::{built, within};
use tokio::sync::Notify;

/// The first removal happens at once and is answered late, the second fails, and the others are not answered.
#[derive(Clone, Default)]
struct LateAnswer {
    removals: Arc<AtomicU32>,
    answers: Arc<Notify>,
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

    async fn put(&self, _: &str, _: Bytes, _: Duration) -> Result<(), Error> {
        Ok(())
    }

    async fn remove(&self, _: &str) -> Result<(), Error> {
        match self.removals.fetch_add(1, Ordering::SeqCst) {
            0 => self.answers.notified().await,
            1 => return Err(Error::new(ErrorKind::Unavailable, "away")),
            _ => std::future::pending().await,
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
    let store = LateAnswer::default();
    let cache = built(Cache::builder().store(store.clone()).deadline(Duration::from_secs(60)));
    let entry = answer_entry(&cache);
    let (first, ()) = tokio::join!(entry.invalidate(), async {
        let sent = async {
            while store.removals.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        within("the first removal", sent).await;
        answer_entry(&cache).invalidate().await.expect_err("the second removal fails");
        assert_eq!(cache.health().owed_invalidations(), 1);
        store.answers.notify_one();
    });
    first.expect("the first removal is answered");
    assert_eq!(cache.health().owed_invalidations(), 1, "the second is still owed");
}

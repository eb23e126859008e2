//! What a process asked for again, because it got no answer, must not look as if nothing had happened in between.

use std::sync::atomic::{AtomicU64, Ordering};

use cache_runtime::{Cache, Outcome, redis_cached, report};
use support::{LossyProxy, Origin, PATIENCE, RedisServer, built, cache_on};

#[redis_cached(key = "price:<id>", ttl = 600, cache = cache, skip(cache, origin, version))]
async fn price(cache: &Cache, origin: &Origin, version: &AtomicU64, id: u64) -> u64 {
    assert!(id > 0);
    let loaded = version.load(Ordering::SeqCst);
    origin.run().await;
    loaded
}

/// A run beside another process's lease is shared with whoever sees that lease: it proves that nothing was invalidated
/// since. It did not when the lease was asked for again, under the same token, after an invalidation.
#[tokio::test]
async fn a_lease_whose_answer_was_lost_does_not_come_back_after_an_invalidation() {
    let server = RedisServer::start().await;
    let proxy = LossyProxy::before(&server).await;
    let theirs = built(Cache::builder().redis_url(proxy.url()));
    let (ours, elsewhere) = (cache_on(&server), cache_on(&server));
    let (their_origin, our_origin, version) = (Origin::held(), Origin::default(), AtomicU64::new(1));
    // The scripts are on the server.
    assert_eq!(price(&ours, &our_origin, &version, 1).await, 1);
    our_origin.hold();

    proxy.lose_the_next_answer_to("EVALSHA");
    let (_, before, after) = tokio::join!(
        price(&theirs, &their_origin, &version, 7),
        async {
            proxy.has_lost().await;
            price(&ours, &our_origin, &version, 7).await
        },
        async {
            our_origin.has_begun(2).await;
            version.store(2, Ordering::SeqCst);
            price_entry(&elsewhere, 7).invalidate().await.expect("the server is up");
            proxy.cut();
            their_origin.has_begun(1).await;

            let mut traffic = server.traffic().await;
            let (after, ()) = tokio::join!(price(&ours, &our_origin, &version, 7), async {
                traffic.until("get", 1).await;
                // It has its answer, and has joined a run or begun its own.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                our_origin.let_go();
                their_origin.let_go();
            });
            after
        }
    );
    assert_eq!((before, after), (1, 2), "what was loaded before the invalidation went to a call from after it");
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_asked_for_once_more() {
    let server = RedisServer::start().await;
    let proxy = LossyProxy::before(&server).await;
    let cache = built(Cache::builder().redis_url(proxy.url()).deadline(PATIENCE));
    let (origin, version) = (Origin::default(), AtomicU64::new(1));
    price(&cache, &origin, &version, 1).await;
    proxy.lose_the_next_answer_to("EVALSHA");
    let ((value, reported), ()) = tokio::join!(report(price(&cache, &origin, &version, 7)), async {
        proxy.has_lost().await;
        proxy.cut();
    });
    assert_eq!((value, reported.calls()[0].outcome()), (1, Outcome::Miss), "it does not go without the cache");
}

/// Nobody can say whether it was stored; sent again it would bring back what was invalidated since.
#[tokio::test]
async fn a_put_whose_answer_was_lost_is_not_repeated_after_an_invalidation() {
    let server = RedisServer::start().await;
    let proxy = LossyProxy::before(&server).await;
    let (theirs, ours) = (built(Cache::builder().redis_url(proxy.url()).deadline(PATIENCE)), cache_on(&server));
    let (there, here) = (price_entry(&theirs, 7), price_entry(&ours, 7));
    assert_eq!(there.get().await.expect("the server is up"), None);

    proxy.lose_the_next_answer_to("EVALSHA");
    let (put, ()) = tokio::join!(there.put(&1), async {
        proxy.has_lost().await;
        assert_eq!(here.get().await.expect("the server is up"), None, "it has the lease by then");
        here.invalidate().await.expect("the server is up");
        proxy.cut();
    });
    put.expect_err("its answer was lost");
    assert_eq!(here.get().await.expect("the server is up"), None);
}

//! What a process asked for again, because it got no answer, must not look as if nothing had happened in between.

use std::sync::atomic::{AtomicU64, Ordering};

use cache_runtime::{Cache, redis_cached};
use support::{LossyProxy, Origin, RedisServer, built, cache_on};

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

    proxy.lose_the_next_answer();
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

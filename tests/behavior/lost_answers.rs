//! What a process asked for again, because it got no answer, must not look as if nothing had happened in between.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::store::Ended;
use cache_runtime::test_util::{StoreKey, value};
use cache_runtime::{Cache, Outcome, redis_cached, report};
use support::{LossyProxy, Origin, PATIENCE, RedisServer, built, cache_on, within};

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
                tokio::time::sleep(Duration::from_millis(50)).await;
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

/// What a put sends when it begins: a WRITE.
const BEGIN: &[u8] = b"\xCA\x02\x02";

/// What it sends when it ends: a value.
const END: &[u8] = b"\xCA\x02\x00";

/// A server that has the scripts of writers, so that each of them is one command.
async fn warm_server() -> RedisServer {
    let server = RedisServer::start().await;
    price_entry(&cache_on(&server), 1).put(&1).await.expect("the server is up");
    server
}

#[tokio::test]
async fn a_put_whose_first_answer_was_lost_begins_once_more_and_stores_its_value() {
    let server = warm_server().await;
    let proxy = LossyProxy::before(&server).await;
    let cache = built(Cache::builder().redis_url(proxy.url()).deadline(PATIENCE));
    let entry = price_entry(&cache, 7);
    proxy.lose_the_next_answer_with(BEGIN);
    let (put, ()) = tokio::join!(entry.put(&2), async {
        proxy.has_lost().await;
        proxy.cut();
    });
    put.expect("it has begun twice, and is one writer");
    assert_eq!(entry.get().await.expect("the server is up"), Some(2));
}

#[tokio::test]
async fn a_put_whose_last_answer_was_lost_ends_once_more_and_leaves_its_value() {
    let server = warm_server().await;
    let proxy = LossyProxy::before(&server).await;
    let cache = built(Cache::builder().redis_url(proxy.url()).deadline(PATIENCE));
    let entry = price_entry(&cache, 7);
    proxy.lose_the_next_answer_with(END);
    let (put, ()) = tokio::join!(entry.put(&2), async {
        proxy.has_lost().await;
        proxy.cut();
    });
    put.expect("it has ended twice");
    assert_eq!(entry.get().await.expect("the server is up"), Some(2));
}

/// Nobody can say whether it was stored; a bare `SET` that is sent again would bring back what was invalidated since.
#[tokio::test]
async fn a_put_that_ends_once_more_after_an_invalidation_stores_nothing() {
    let server = warm_server().await;
    let proxy = LossyProxy::before(&server).await;
    let (theirs, ours) = (built(Cache::builder().redis_url(proxy.url()).deadline(PATIENCE)), cache_on(&server));
    let (there, here) = (price_entry(&theirs, 7), price_entry(&ours, 7));
    proxy.lose_the_next_answer_with(END);
    let (put, ()) = tokio::join!(there.put(&1), async {
        proxy.has_lost().await;
        assert_eq!(here.get().await.expect("the server is up"), Some(1));
        here.invalidate().await.expect("the server is up");
        proxy.cut();
    });
    put.expect("it has ended, and was overtaken");
    assert_eq!(here.get().await.expect("the server is up"), None);
}

/// A put through a connection on which this command is late: it returns an error, and the command is still to come.
async fn put_late(server: &RedisServer, command: &[u8]) -> LossyProxy {
    let proxy = LossyProxy::before(server).await;
    let cache = built(Cache::builder().redis_url(proxy.url()).deadline(Duration::from_millis(100)));
    price_entry(&cache, 7).get().await.expect("the server is up");
    proxy.delay_the_next_with(command);
    let entry = price_entry(&cache, 7);
    let (put, ()) = tokio::join!(entry.put(&1), proxy.has_delayed());
    put.expect_err("it was not answered");
    proxy
}

/// A `SET` that was given up and landed after a later invalidation brought the value back: 48 stale reads in 202,435.
#[tokio::test]
async fn a_put_that_comes_after_a_later_invalidation_is_never_read() {
    for command in [BEGIN, END] {
        let server = warm_server().await;
        let proxy = put_late(&server, command).await;
        let (ours, origin, version) = (cache_on(&server), Origin::default(), AtomicU64::new(2));
        let entry = price_entry(&ours, 7);
        entry.invalidate().await.expect("the server is up");
        proxy.deliver().await;
        assert_ne!(entry.get().await.expect("the server is up"), Some(1), "the put came back");
        for _ in 0..2 {
            assert_eq!(price(&ours, &origin, &version, 7).await, 2);
        }
    }
}

#[tokio::test]
async fn nor_is_one_that_comes_when_the_newer_value_is_stored() {
    for command in [BEGIN, END] {
        let server = warm_server().await;
        let proxy = put_late(&server, command).await;
        let (ours, origin, version) = (cache_on(&server), Origin::default(), AtomicU64::new(2));
        price_entry(&ours, 7).invalidate().await.expect("the server is up");
        assert_eq!(price(&ours, &origin, &version, 7).await, 2);
        proxy.deliver().await;
        assert_ne!(price_entry(&ours, 7).get().await.expect("the server is up"), Some(1), "the put came back");
        assert_eq!(price(&ours, &origin, &version, 7).await, 2);
    }
}

#[tokio::test]
async fn nor_is_one_that_comes_while_a_newer_one_is_under_way() {
    for command in [BEGIN, END] {
        let server = warm_server().await;
        let proxy = put_late(&server, command).await;
        let ours = cache_on(&server);
        let key = StoreKey::new(&ours, "price:7");
        let generation = key.begin_write(1, 2, PATIENCE).await.expect("the server is up");
        proxy.deliver().await;
        let newer = Some((value(2, "price:7"), PATIENCE));
        let ended = key.end_write(1, generation, newer).await.expect("the server is up");
        assert_eq!(ended, Ended::Overlapped, "the two overlap, and neither is stored");
        assert_eq!(price_entry(&ours, 7).get().await.expect("the server is up"), None);
    }
}

/// The begin was asked for again on another connection. Under the same generation the late one, which comes after the
/// invalidation, would be the mark that the end looks for.
#[tokio::test]
async fn nor_is_one_of_which_both_commands_come_after_a_later_invalidation() {
    let server = warm_server().await;
    let proxy = LossyProxy::before(&server).await;
    let theirs = built(Cache::builder().redis_url(proxy.url()).deadline(Duration::from_millis(500)));
    let entry = price_entry(&theirs, 7);
    entry.get().await.expect("the server is up");
    proxy.delay_the_next_with(BEGIN);
    let (put, ()) = tokio::join!(entry.put(&1), async {
        proxy.has_delayed().await;
        proxy.delay_the_next_with(END);
        proxy.cut();
        proxy.has_delayed().await;
    });
    put.expect_err("it was not answered");
    let (ours, origin, version) = (cache_on(&server), Origin::default(), AtomicU64::new(2));
    price_entry(&ours, 7).invalidate().await.expect("the server is up");
    for _ in [BEGIN, END] {
        proxy.deliver().await;
        assert_ne!(price_entry(&ours, 7).get().await.expect("the server is up"), Some(1), "the put came back");
    }
    assert_eq!(price(&ours, &origin, &version, 7).await, 2);
}

/// Its process invalidates by itself what a put that failed may have left, and gives up the connection on which nothing is
/// answered: the put comes after that invalidation.
#[tokio::test]
async fn nor_is_one_that_comes_after_its_own_process_has_removed_it() {
    let server = warm_server().await;
    let proxy = LossyProxy::before(&server).await;
    let cache = built(Cache::builder().redis_url(proxy.url()).deadline(Duration::from_millis(100)));
    let (entry, origin, version) = (price_entry(&cache, 7), Origin::default(), AtomicU64::new(2));
    entry.get().await.expect("the server is up");
    proxy.delay_the_next_with(END);
    let (put, ()) = tokio::join!(entry.put(&1), proxy.has_delayed());
    put.expect_err("it was not answered");
    let removed = async {
        while cache.health().pending_invalidations() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the put to be invalidated", removed).await;
    proxy.deliver().await;
    assert_ne!(entry.get().await.expect("the server is up"), Some(1), "the put came back");
    assert_eq!(price(&cache, &origin, &version, 7).await, 2);
}

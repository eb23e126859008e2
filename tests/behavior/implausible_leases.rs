//! Leases and writes that cannot be what they seem: without an expiry, with one that is too far away, long past their
//! deadline, or with a deadline from a clock that has been set back. They are displaced. Once such a lease disabled its
//! key for as long as it was there: nothing was cached, and callers that wait for others waited each time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::test_util::{Displaces, StoreKey, lease, set_wall_clock_ahead};
use cache_runtime::{Cache, CallReport, Outcome, redis_cached, report};
use support::{Origin, RedisServer, cache_on, within};

const WAITS: &str = "waits";
const RUNS: &str = "runs";
const REFRESHED: &str = "refreshed";

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How long a lease lasts here.
const LEASE: Duration = Duration::from_millis(100);

#[redis_cached(key = "waits", ttl = 600, lock(wait = "10s", lease = "100ms"), cache = cache, skip(cache, origin))]
async fn waits(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[redis_cached(key = "runs", ttl = 600, cache = cache, skip(cache, origin))]
async fn does_not_wait(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

async fn called(call: impl Future<Output = u64>) -> CallReport {
    let (_, report) = within("a call", report(call)).await;
    report.calls()[0].clone()
}

/// Puts this at the key, with or without an expiry.
async fn left_behind(server: &RedisServer, key: &str, entry: &Bytes, expiry: Option<Duration>) {
    let mut set = redis::cmd("SET");
    set.arg(key).arg(&entry[..]);
    if let Some(expiry) = expiry {
        set.arg("PX").arg(u64::try_from(expiry.as_millis()).expect("it is short"));
    }
    set.query_async::<()>(&mut server.client().await).await.expect("the server is up");
}

/// Whatever is left behind, the next call stores its value, and later ones are served it.
async fn is_displaced_at_once(entry: Bytes, expiry: Option<Duration>) {
    let server = RedisServer::start().await;
    let (cache, origin) = (cache_on(&server), Origin::default());
    left_behind(&server, RUNS, &entry, expiry).await;
    let first = called(does_not_wait(&cache, &origin)).await;
    assert_eq!((first.stored(), called(does_not_wait(&cache, &origin)).await.outcome()), (true, Outcome::Hit));

    left_behind(&server, WAITS, &entry, expiry).await;
    let first = called(waits(&cache, &origin)).await;
    assert_eq!((first.outcome(), first.stored()), (Outcome::Miss, true), "it waited");
    assert_eq!(called(waits(&cache, &origin)).await.outcome(), Outcome::Hit);
    assert_eq!(origin.runs(), 2);
}

/// The lease of a process whose server was an hour ahead then.
fn from_the_future(ttl: Duration) -> Bytes {
    set_wall_clock_ahead(HOUR);
    let lease = lease(9, Duration::ZERO, ttl);
    set_wall_clock_ahead(Duration::ZERO);
    lease
}

#[tokio::test]
async fn a_lease_past_its_deadline_that_does_not_expire_is_displaced() {
    is_displaced_at_once(lease(9, 10 * SECOND, 3 * SECOND), None).await;
}

#[tokio::test]
async fn a_lease_past_its_deadline_that_expires_in_an_hour_is_displaced() {
    is_displaced_at_once(lease(9, 300 * SECOND, 3 * SECOND), Some(HOUR)).await;
}

#[tokio::test]
async fn a_lease_of_before_the_servers_clock_was_set_back_is_displaced() {
    is_displaced_at_once(from_the_future(3 * SECOND), Some(HOUR + 3 * SECOND)).await;
}

#[tokio::test]
async fn a_lease_that_says_it_lasts_for_longer_than_any_lease_is_displaced() {
    is_displaced_at_once(lease(9, 100 * 24 * HOUR, 99 * 24 * HOUR), Some(90 * 24 * HOUR)).await;
}

fn persist(key: &str) -> redis::Cmd {
    redis::cmd("PERSIST").arg(key).to_owned()
}

fn put_off(key: &str) -> redis::Cmd {
    redis::cmd("PEXPIRE").arg(key).arg(3_600_000).to_owned()
}

/// The write of a process that is long gone.
async fn a_write_that_was_left(server: &RedisServer, expires: bool) {
    let theirs = cache_on(server);
    let key = StoreKey::new(&theirs, WAITS);
    key.begin_write_late(5, 50, 3 * SECOND, 10 * SECOND).await.expect("the server is up");
    let mut client = server.client().await;
    let change = if expires { put_off(WAITS) } else { persist(WAITS) };
    let changed: bool = change.query_async(&mut client).await.expect("the server is up");
    assert!(changed);
}

#[tokio::test]
async fn a_write_that_does_not_expire_or_too_late_is_displaced_by_readers_and_by_writers() {
    for expires in [true, false] {
        let server = RedisServer::start().await;
        let (cache, origin) = (cache_on(&server), Origin::default());
        a_write_that_was_left(&server, expires).await;
        assert!(called(waits(&cache, &origin)).await.stored());
        assert_eq!(called(waits(&cache, &origin)).await.outcome(), Outcome::Hit);

        a_write_that_was_left(&server, expires).await;
        waits_entry(&cache).put(&7).await.expect("the server is up");
        assert_eq!(waits_entry(&cache).get().await.expect("the server is up"), Some(7));
    }
}

/// A lease of somebody who works, and then of nobody: at most one caller waits for it.
async fn delays_one_caller_at_most(change: redis::Cmd) {
    let server = RedisServer::start().await;
    let (theirs, ours, origin) = (cache_on(&server), cache_on(&server), Origin::default());
    StoreKey::new(&theirs, WAITS).lease(9, LEASE, Displaces::Nothing).await.expect("the server is up");
    let changed: bool = change.query_async(&mut server.client().await).await.expect("the server is up");
    assert!(changed, "the lease was gone already");
    assert!(called(waits(&ours, &origin)).await.stored(), "it took over");
    assert_eq!(called(waits(&ours, &origin)).await.outcome(), Outcome::Hit);
    assert_eq!(origin.runs(), 1);
}

#[tokio::test]
async fn a_caller_that_waits_for_a_lease_whose_expiry_is_taken_away_takes_over() {
    delays_one_caller_at_most(persist(WAITS)).await;
}

#[tokio::test]
async fn a_caller_that_waits_for_a_lease_whose_expiry_is_put_off_takes_over() {
    delays_one_caller_at_most(put_off(WAITS)).await;
}

/// Without waiting for others nothing would ever ask for the lease.
#[tokio::test]
async fn callers_that_do_not_wait_store_their_values_again() {
    let server = RedisServer::start().await;
    let (theirs, ours, origin) = (cache_on(&server), cache_on(&server), Origin::default());
    StoreKey::new(&theirs, RUNS).lease(9, LEASE, Displaces::Nothing).await.expect("the server is up");
    let changed: bool = persist(RUNS).query_async(&mut server.client().await).await.expect("the server is up");
    assert!(changed, "the lease was gone already");
    let stored = async {
        while !called(does_not_wait(&ours, &origin)).await.stored() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("a value to be stored", stored).await;
    assert_eq!(called(does_not_wait(&ours, &origin)).await.outcome(), Outcome::Hit);
}

/// The server knows how long its key has left, and a reader's clock may be wrong.
#[tokio::test]
async fn a_lease_that_stands_is_not_displaced_by_a_reader_whose_clock_was_set_ahead() {
    let server = RedisServer::start().await;
    let (theirs, ours, origin) = (cache_on(&server), cache_on(&server), Origin::held());
    // Both know the server's time by their own clock.
    waits_entry(&ours).get().await.expect("the server is up");
    let key = StoreKey::new(&theirs, WAITS);
    key.lease(9, 60 * SECOND, Displaces::Nothing).await.expect("the server is up");
    set_wall_clock_ahead(HOUR);
    let mut traffic = server.traffic().await;
    let (called, ()) = tokio::join!(called(waits(&ours, &origin)), async {
        // It asks whether the lease stands, and then waits for it.
        traffic.until("evalsha", 1).await;
        traffic.until("get", 2).await;
        assert!(key.renew(9, 60 * SECOND).await.expect("the server is up"), "the lease was displaced");
        assert_eq!(origin.runs(), 0, "it runs beside the holder of the lease");
        key.release(9, Duration::ZERO).await.expect("the server is up");
        origin.let_go();
    });
    assert!(called.stored());
}

#[redis_cached(
    key = "refreshed", ttl = Duration::from_millis(10), jitter = 0.0, stale_while_revalidate = 600,
    cache = cache, skip(cache, origin)
)]
async fn refreshed(cache: &Cache, origin: Arc<Origin>) -> u64 {
    origin.run().await
}

/// The value would be served, and never loaded anew, until the server's clock has come to the hour again.
#[tokio::test]
async fn a_refresh_lease_of_before_the_servers_clock_was_set_back_is_displaced() {
    let server = RedisServer::start().await;
    let (theirs, ours, origin) = (cache_on(&server), cache_on(&server), Arc::new(Origin::default()));
    let key = StoreKey::new(&theirs, REFRESHED);
    refreshed(&ours, Arc::clone(&origin)).await;
    let stored = key.get().await.expect("the server is up").expect("it is stored");
    set_wall_clock_ahead(HOUR);
    key.lease(9, 3 * SECOND, Displaces::Refresh(stored)).await.expect("the server is up");
    set_wall_clock_ahead(Duration::ZERO);
    let loaded_anew = async {
        while origin.runs() < 2 {
            refreshed(&ours, Arc::clone(&origin)).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the value to be loaded anew", loaded_anew).await;
}

//! Redis loses a lease while its body runs, and another process takes it: whichever of the two ends first, only the holder
//! of the lease that is there stores its value.

#![allow(unused_must_use, reason = "one key for both sides, each with its own value")]

use cache_runtime::{Cache, redis_cached};
use support::{Origin, RedisServer, within};

use super::patient_cache;

// No lease comes to its end while a test runs, and none is renewed.
#[redis_cached(
    key = "lost", ttl = 600, lock(wait = "60s", lease = "300s"), cache = cache, skip(cache, origin, value)
)]
async fn lasting(cache: &Cache, origin: &Origin, value: u64) -> u64 {
    origin.run().await;
    value
}

/// Sends a command.
async fn tell(server: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query_async::<()>(&mut server.client().await).await.expect("the server is up");
}

/// What is at the key.
async fn entry(server: &RedisServer) -> Option<Vec<u8>> {
    redis::cmd("GET").arg("lost").query_async(&mut server.client().await).await.expect("the server is up")
}

/// Who ends first, of the one that lost its lease and the one that took it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Loser,
    Taker,
}

/// Begins a run, loses its lease, begins another one; ends them in both orders, and the first one alone.
async fn is_lost(cause: impl AsyncFn(&mut RedisServer)) {
    for first in [First::Loser, First::Taker] {
        two_runs(&cause, first).await;
    }
    let mut server = RedisServer::start().await;
    let (cache, origin) = (patient_cache(&server), Origin::held());
    let (value, ()) = tokio::join!(lasting(&cache, &origin, 1), async {
        origin.has_begun(1).await;
        lose(&mut server, &cache, &cause).await;
        origin.let_go();
    });
    assert_eq!((value, entry(&server).await), (1, None), "it stores nothing");
}

async fn two_runs(cause: &impl AsyncFn(&mut RedisServer), first: First) {
    let mut server = RedisServer::start().await;
    let (ours, theirs) = (patient_cache(&server), patient_cache(&server));
    let (loser, taker) = (Origin::held(), Origin::held());
    // Each side says when it is done.
    let done = Origin::default();
    let side = async |cache: &Cache, origin: &Origin, value| {
        let value = lasting(cache, origin, value).await;
        done.run().await;
        value
    };
    let (of_loser, of_taker, ()) = tokio::join!(
        side(&ours, &loser, 1),
        async {
            loser.has_begun(1).await;
            lose(&mut server, &ours, cause).await;
            side(&theirs, &taker, 2).await
        },
        async {
            taker.has_begun(1).await;
            let (one, other) = if first == First::Loser { (&loser, &taker) } else { (&taker, &loser) };
            one.let_go();
            done.has_begun(1).await;
            other.let_go();
        },
    );
    assert_eq!((of_loser, of_taker), (1, 2), "each caller has its own run's value");
    let stored = lasting_entry(&theirs).get().await.expect("the server is up");
    assert_eq!(stored, Some(2), "the holder of the lease stores its value");
}

/// Loses the lease; the cache that held it is connected when this ends.
async fn lose(server: &mut RedisServer, cache: &Cache, cause: &impl AsyncFn(&mut RedisServer)) {
    cause(server).await;
    assert_eq!(entry(server).await, None, "the lease is lost");
    let connected = async { while lasting_entry(cache).get().await.is_err() {} };
    within("a connection to the server", connected).await;
}

#[tokio::test]
async fn to_a_del() {
    is_lost(async |server| tell(server, &["DEL", "lost"]).await).await;
}

#[tokio::test]
async fn to_a_flush() {
    is_lost(async |server| tell(server, &["FLUSHALL"]).await).await;
}

#[tokio::test]
async fn to_its_expiry() {
    is_lost(async |server| {
        tell(server, &["PEXPIRE", "lost", "1"]).await;
        gone(server).await;
    })
    .await;
}

#[tokio::test]
async fn to_an_eviction() {
    is_lost(async |server| {
        tell(server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).await;
        tell(server, &["CONFIG", "SET", "maxmemory", "1"]).await;
        gone(server).await;
        tell(server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn to_a_server_that_starts_again_empty() {
    is_lost(async |server| server.restart().await).await;
}

async fn gone(server: &RedisServer) {
    within("the end of the lease", async { while entry(server).await.is_some() {} }).await;
}

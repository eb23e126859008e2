//! Connections come and go, and calls do not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached, report};
use futures_util::FutureExt;
use support::{Liar, Lie, On, Origin, Proxy, RedisServer, cache_on};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

#[redis_cached(key = "answer:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

/// How many connections the server has seen.
async fn connections(client: &mut redis::aio::MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query_async(client).await.expect("the server is up");
    let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    line.and_then(|count| count.trim().parse().ok()).expect("Redis counts its connections")
}

/// What a server's `timeout`, a load balancer or a restart does to a connection.
async fn kill_others(client: &mut redis::aio::MultiplexedConnection) {
    let _: u64 = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
        .query_async(client)
        .await
        .expect("the server is up");
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_call_and_no_invalidation() {
    let server = RedisServer::start().await;
    let (cache, origin, mut client) = (cache_on(&server), Origin::default(), server.client().await);
    assert_eq!(answer(&cache, &origin, 7).await, 1);

    kill_others(&mut client).await;
    let (again, reported) = report(answer(&cache, &origin, 7)).await;
    assert_eq!((again, reported.calls()[0].outcome()), (1, Outcome::Hit));

    kill_others(&mut client).await;
    answer_entry(&cache, 7).invalidate().await.expect("the server is up");
    assert_eq!(answer(&cache, &origin, 7).await, 2);

    kill_others(&mut client).await;
    let (_, reported) = report(answer(&cache, &origin, 8)).await;
    assert!(reported.calls()[0].stored(), "a miss on a closed connection is stored");
}

#[tokio::test]
async fn calls_that_are_dropped_do_not_cost_the_connection() {
    let server = RedisServer::start().await;
    let (cache, origin, mut client) = (cache_on(&server), Origin::default(), server.client().await);
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    let before = connections(&mut client).await;
    for _ in 0..50 {
        // Polled once: the `GET` is on its way.
        assert_eq!(answer(&cache, &origin, 7).now_or_never(), None);
    }
    assert_eq!(answer(&cache, &origin, 7).await, 1);
    assert_eq!(connections(&mut client).await, before);
}

/// Lets reads pass and holds writes back, so that a `GET` is answered and a lease is not.
async fn pause_writes(client: &mut redis::aio::MultiplexedConnection) {
    let _: () =
        redis::cmd("CLIENT").arg(&["PAUSE", "60000", "WRITE"]).query_async(client).await.expect("the server is up");
}

/// Lets the writes that were held back happen, and waits until the key is free.
async fn is_given_back(client: &mut redis::aio::MultiplexedConnection, key: &str) {
    let _: () = redis::cmd("CLIENT").arg("UNPAUSE").query_async(client).await.expect("the server is up");
    let free = async {
        loop {
            let left: i64 = redis::cmd("PTTL").arg(key).query_async(client).await.expect("the server is up");
            if left == -2 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    support::within("the lease to be given back", free).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_asks_for_the_lease_gives_it_back() {
    let server = RedisServer::start().await;
    let (cache, origin, mut client) = (cache_on(&server), Origin::default(), server.client().await);
    assert_eq!(answer(&cache, &origin, 1).await, 1);
    pause_writes(&mut client).await;
    let mut traffic = server.traffic().await;
    let mut call = Box::pin(answer(&cache, &origin, 7));
    let asked = async {
        traffic.until("get", 1).await;
        // The lease is sent in the poll that takes the answer to the `GET`.
        tokio::task::yield_now().await;
    };
    tokio::select! {
        biased;
        _ = &mut call => unreachable!("the lease is held back"),
        () = asked => {}
    }
    for _ in 0..100 {
        assert_eq!((&mut call).now_or_never(), None);
        tokio::task::yield_now().await;
    }
    drop(call);
    is_given_back(&mut client, "answer:7").await;
}

#[derive(Debug)]
struct Failed;

impl From<cache_runtime::Error> for Failed {
    fn from(_: cache_runtime::Error) -> Self {
        Self
    }
}

#[redis_cached(key = "strict", ttl = 600, fail_open = false, cache = cache, skip(cache))]
async fn strict(cache: &Cache) -> Result<u64, Failed> {
    Ok(1)
}

#[tokio::test]
async fn a_lease_that_was_not_answered_in_time_is_given_back() {
    let server = RedisServer::start().await;
    let deadline = Duration::from_millis(100);
    let cache = support::built(Cache::builder().redis_url(server.url()).deadline(deadline));
    let mut client = server.client().await;
    // The connection and the scripts are there.
    strict(&cache).await.expect("the server is up");
    strict_entry(&cache).invalidate().await.expect("the server is up");

    pause_writes(&mut client).await;
    strict(&cache).await.expect_err("the lease is held back");
    is_given_back(&mut client, "strict").await;
}

/// Calls until the value is served that was stored.
async fn is_served(cache: &Cache) {
    let served = async {
        while report(answer(cache, &Origin::default(), 7)).await.1.calls()[0].outcome() != Outcome::Hit {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    support::within("a hit", served).await;
}

// Sooner than a `PING` would tell, which has as long as a connection may take to be made.
#[tokio::test]
async fn a_connection_that_leaves_three_commands_unanswered_is_replaced() {
    let server = RedisServer::start().await;
    let liar = Liar::before(&server).await;
    let cache = support::built(Cache::builder().redis_url(liar.url()).deadline(Duration::from_millis(400)));
    is_served(&cache).await;
    liar.lies(On::Get, Lie::FallsSilent(Vec::new()));
    for unanswered in 1..=3 {
        let (_, reported) = report(answer(&cache, &Origin::default(), 7)).await;
        assert_eq!(reported.calls()[0].outcome(), Outcome::Degraded, "command {unanswered}");
        liar.is_honest();
    }
    let (_, reported) = report(answer(&cache, &Origin::default(), 7)).await;
    assert_eq!(reported.calls()[0].outcome(), Outcome::Hit);
}

#[tokio::test]
async fn a_server_that_stalls_now_and_then_keeps_its_connection() {
    let server = RedisServer::start().await;
    let cache = support::built(Cache::builder().redis_url(server.url()).deadline(Duration::from_millis(300)));
    is_served(&cache).await;
    let mut client = server.client().await;
    let before = connections(&mut client).await;
    for stall in 1..=4 {
        server.pause();
        let (_, reported) = report(answer(&cache, &Origin::default(), 7)).await;
        assert_eq!(reported.calls()[0].outcome(), Outcome::Degraded, "stall {stall}");
        server.resume();
        is_served(&cache).await;
    }
    assert_eq!(connections(&mut client).await, before);
}

/// A server that takes connections, and has nothing to say.
async fn mute() -> (TcpListener, Cache) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("redis://{}/", listener.local_addr().expect("it is bound"));
    let deadline = Duration::from_millis(50);
    (listener, support::built(Cache::builder().redis_url(url).deadline(deadline)))
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_is_given_up_though_nobody_calls() {
    let (listener, cache) = mute().await;
    let entry = answer_entry(&cache, 7);
    let (made, error) = tokio::join!(listener.accept(), entry.get());
    error.expect_err("nobody answers");
    let (mut connection, _) = made.expect("the cache connects");
    let left = async { while connection.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} };
    support::within("the cache to hang up", left).await;
}

#[tokio::test]
async fn a_server_that_hangs_up_is_not_dialed_anew_by_every_call() {
    let (listener, cache) = mute().await;
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    // As many as the breaker lets pass.
    for _ in 0..5 {
        answer_entry(&cache, 7).get().await.expect_err("it hangs up");
    }
    // Each time it is dialed twice: plainly, too. One time more may be due on a busy machine.
    let taken = taken.load(Ordering::SeqCst);
    assert!((1..=4).contains(&taken), "{taken} connections for 5 calls");
}

// After a failover the name leads to the new primary, and connections to the old one stay: nothing would be stored, nor
// invalidated, for as long as they live.
#[tokio::test]
async fn a_connection_to_a_server_that_is_no_primary_any_more_is_given_up() {
    for becomes in ["yes", "no"] {
        let (old, new) = (RedisServer::start().await, RedisServer::start().await);
        let proxy = Proxy::before(&old).await;
        let cache = support::built(Cache::builder().redis_url(proxy.url()));
        is_served(&cache).await;
        proxy.lead_newcomers_to(&new);
        let mut client = old.client().await;
        for words in [&["CONFIG", "SET", "replica-serve-stale-data", becomes][..], &["REPLICAOF", "127.0.0.1", "1"]] {
            let _: () = redis::cmd(words[0]).arg(&words[1..]).query_async(&mut client).await.expect("the server is up");
        }
        let through = async {
            while answer_entry(&cache, 7).invalidate().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        support::within("an invalidation on the new primary", through).await;
        is_served(&cache).await;
        let keys: u64 = redis::cmd("DBSIZE").query_async(&mut new.client().await).await.expect("the server is up");
        assert_eq!(keys, 1);
    }
}

#[tokio::test]
async fn a_server_that_is_a_replica_for_good_is_not_dialed_anew_by_every_call() {
    let server = RedisServer::start_with(&["--replicaof", "127.0.0.1", "1"]).await;
    let (cache, mut client) = (cache_on(&server), server.client().await);
    let before = connections(&mut client).await;
    for id in 0..50 {
        let (_, reported) = report(answer(&cache, &Origin::default(), id)).await;
        assert_eq!(reported.calls()[0].outcome(), Outcome::Degraded, "it refuses the lease");
    }
    // One, and one more each second on a busy machine.
    let made = connections(&mut client).await - before;
    assert!(made < 10, "{made} connections for 50 calls");
}

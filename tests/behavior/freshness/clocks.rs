//! Two machines whose clocks are hours apart agree on what is fresh: times are the server's.

use cache_runtime::{Cache, Outcome, redis_cached};
use support::{RedisServer, Worker, cache_on};

use super::reported;

/// As the worker has it.
#[redis_cached(
    key = "clock:<id>", ttl = 600, jitter = 0.0, stale_while_revalidate = 600, cache = cache, skip(cache)
)]
async fn timed(cache: &Cache, id: u64) -> u64 {
    id
}

#[tokio::test]
async fn a_machine_whose_clock_is_hours_ahead_reads_and_writes_the_same_times() {
    let server = RedisServer::start().await;
    let cache = cache_on(&server);
    assert_eq!(reported(timed(&cache, 1)).await.1.outcome(), Outcome::Miss);

    let mut worker = Worker::start(env!("CARGO_BIN_EXE_worker"), "clock-ahead", Some(&server.url())).await;
    worker.tell("go").await;
    assert_eq!(worker.hear().await, "1 hit:1", "a value of ours is as fresh there as here");
    assert_eq!(worker.hear().await, "2 miss:1");

    for theirs in [2, 3] {
        let (_, called) = reported(timed(&cache, theirs)).await;
        assert_eq!(called.outcome(), Outcome::Hit);
        let fresh_for = called.fresh_for().expect("a hit").as_secs();
        assert!((500..=600).contains(&fresh_for), "value {theirs}, which is theirs, is fresh for {fresh_for} s");
    }
}

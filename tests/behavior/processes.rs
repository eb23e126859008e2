//! Real processes on one Redis.

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use support::{RedisServer, Worker};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

async fn workers(scenario: &str, server: &RedisServer) -> (Worker, Worker) {
    let url = server.url();
    tokio::join!(Worker::start(WORKER, scenario, Some(&url)), Worker::start(WORKER, scenario, Some(&url)))
}

/// Lets as many runs end as ever began: a run too many must be counted, not hang.
async fn let_go(client: &mut MultiplexedConnection) {
    let _: u64 =
        redis::cmd("RPUSH").arg("test:let-go").arg(&["go"; 9]).query_async(client).await.expect("the server is up");
}

async fn runs(client: &mut MultiplexedConnection) -> u64 {
    redis::cmd("GET").arg("test:runs").query_async(client).await.expect("the server is up")
}

#[tokio::test]
async fn two_hundred_callers_of_a_cold_key_in_two_processes_are_one_run() {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    let (mut one, mut two) = workers("callers 100", &server).await;
    let mut traffic = server.traffic().await;

    one.tell("go").await;
    traffic.until("blpop", 1).await;
    traffic.until("get", 100).await;
    // One caller runs. A hundred more look in the other process, and then one of them looks again: it waits.
    two.tell("go").await;
    traffic.until("get", 201).await;
    let_go(&mut client).await;

    assert_eq!(one.hear().await, "107 coalesced:99 miss:1");
    assert_eq!(two.hear().await, "107 coalesced:99 waited:1");
    assert_eq!(runs(&mut client).await, 1);
}

#[tokio::test]
async fn two_hundred_callers_that_start_together_are_one_run() {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    let (mut one, mut two) = workers("callers 100", &server).await;
    let mut traffic = server.traffic().await;

    tokio::join!(one.tell("go"), two.tell("go"));
    traffic.until("blpop", 1).await;
    let_go(&mut client).await;

    let (one, two) = tokio::join!(one.hear(), two.hear());
    assert!(one.starts_with("107 ") && two.starts_with("107 "), "{one} / {two}");
    assert_eq!(runs(&mut client).await, 1);
}

#[tokio::test]
async fn two_thousand_callers_of_a_cold_key_in_ten_processes_are_one_run() {
    let server = RedisServer::start().await;
    let (url, mut client) = (server.url(), server.client().await);
    let mut workers = join_all((0..10).map(|_| Worker::start(WORKER, "patient-callers 200", Some(&url)))).await;
    let mut traffic = server.traffic().await;

    join_all(workers.iter_mut().map(|worker| worker.tell("go"))).await;
    traffic.until("blpop", 1).await;
    // Nearly everybody has asked: who waits for another process asks twice.
    traffic.until("get", 2_000).await;
    let_go(&mut client).await;

    let heard = join_all(workers.iter_mut().map(Worker::hear)).await;
    assert!(heard.iter().all(|heard| heard.starts_with("107 ")), "{heard:?}");
    assert_eq!(heard.iter().filter(|heard| heard.contains("miss")).count(), 1, "{heard:?}");
    assert!(heard.iter().all(|heard| !heard.contains("degraded")), "{heard:?}");
    assert_eq!(runs(&mut client).await, 1);
}

/// One process runs the body and is killed, another one waits for its value.
async fn is_taken_over_from(scenario: &str) {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    let (mut holder, mut waiter) = workers(scenario, &server).await;
    let mut traffic = server.traffic().await;

    holder.tell("go").await;
    traffic.until("blpop", 1).await;
    waiter.tell("go").await;
    traffic.until("get", 2).await;
    holder.kill().await;

    traffic.until("blpop", 2).await;
    let_go(&mut client).await;
    assert_eq!(waiter.hear().await, "207");
    assert_eq!(runs(&mut client).await, 2);
}

#[tokio::test]
async fn when_the_process_that_runs_is_killed_the_other_one_takes_over() {
    is_taken_over_from("one-caller-short-lease").await;
}

#[tokio::test]
async fn when_the_process_that_runs_is_killed_under_the_default_lease_the_other_one_takes_over() {
    is_taken_over_from("one-caller-default-lease").await;
}

#[tokio::test]
async fn a_process_that_paused_for_longer_than_its_lease_stores_nothing_and_has_its_answer() {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    let (mut paused, mut next) = workers("one-caller-default-lease", &server).await;
    let mut traffic = server.traffic().await;

    paused.tell("go").await;
    traffic.until("blpop", 1).await;
    paused.pause();
    next.tell("go").await;
    traffic.until("blpop", 2).await;
    let_go(&mut client).await;
    assert_eq!(next.hear().await, "207");
    let stored = entry(&mut client).await;
    assert!(stored.is_some(), "who took over stores its value");

    paused.resume();
    assert_eq!(paused.hear().await, "107");
    assert_eq!(entry(&mut client).await, stored);
    assert_eq!(runs(&mut client).await, 2);
}

/// What is at the key of the workers.
async fn entry(client: &mut MultiplexedConnection) -> Option<Vec<u8>> {
    redis::cmd("GET").arg("held:7").query_async(client).await.expect("the server is up")
}

#[tokio::test]
async fn with_nothing_installed_redis_url_is_used_when_it_is_set() {
    let server = RedisServer::start().await;
    let (mut one, mut two) = workers("nothing-installed", &server).await;
    one.tell("go").await;
    assert_eq!(one.hear().await, "7 miss:1");
    two.tell("go").await;
    assert_eq!(two.hear().await, "7 hit:1");
}

#[tokio::test]
async fn with_nothing_installed_and_no_redis_url_memory_is_used() {
    let mut worker = Worker::start(WORKER, "nothing-installed", None).await;
    worker.tell("go").await;
    assert_eq!(worker.hear().await, "7 miss:1");
}

#[tokio::test]
async fn an_installed_cache_is_the_one_that_functions_use() {
    let server = RedisServer::start().await;
    let (mut one, mut two) = workers("installed-with-prefix", &server).await;
    one.tell("go").await;
    assert_eq!(one.hear().await, "7 miss:1");
    two.tell("go").await;
    assert_eq!(two.hear().await, "7 hit:1");
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("*").query_async(&mut server.client().await).await.expect("the server is up");
    assert_eq!(keys, ["prod:counted:7"]);
}

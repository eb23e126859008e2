//! A stampede in figures: runs of the body for a cold key, runs for each expiry, commands, and memory for each caller who
//! waits. All are counts, and tests assert what they come to: `behavior/processes.rs`, `behavior/commands.rs`,
//! `behavior/waiting`, `behavior/memory.rs`. Caches are as built by default.
//!
//! # What counts as an expiry
//!
//! A run is the body's, counted at its origin, another server. Runs are compared with what made them necessary. The first
//! load of a key has no expiry before it, so as many runs as there are keys in the end are left out on both sides. Then:
//!
//! - *stored values that ended and were asked for again*: every value stored but the first of its key. A value is stored
//!   only under a lease, and a lease is granted only where no value is, so each of them had its predecessor expire; nothing
//!   is invalidated or evicted here. More than one run for each is a body that ran beside another one.
//! - *expired keys*, by the server's own count: also what expired and was not asked for again, or was a lease.
//!
//! The first is the strict one, and cannot be below 1.00.

#[path = "../../behavior/memory.rs"]
mod memory;
mod zipf;

use cache_runtime::{Cache, redis_cached};
use futures_util::future::join_all;
use support::{RedisServer, Worker, cache_on};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// Processes of every stampede.
const PROCESSES: usize = 10;

/// Callers of the cold key in each.
const CALLERS: u64 = 1_000;

/// Callers that wait for one of their process, where their memory is counted.
const WAITING: u32 = 10_000;

fn main() {
    for (on_redis, store) in [(true, "on Redis"), (false, "in memory")] {
        let memory::Figures { heap, future } = memory::waiting_callers(WAITING, on_redis);
        println!(
            "{WAITING} callers wait for one of their process, {store}: {heap} bytes each, and a future of {future}"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        cold_key().await;
        commands().await;
        zipf::print("lock").await;
        zipf::print("no-lock").await;
    });
}

/// One key that nobody has, asked for by all at once.
async fn cold_key() {
    let server = RedisServer::start().await;
    let (url, mut client) = (server.url(), server.client().await);
    let scenario = format!("callers {CALLERS}");
    let mut workers = join_all((0..PROCESSES).map(|_| Worker::start(WORKER, &scenario, Some(&url)))).await;
    let before = server.commands().await;
    join_all(workers.iter_mut().map(|worker| worker.tell("go"))).await;

    // The run ends when everybody has asked.
    let all = CALLERS * PROCESSES as u64;
    while server.commands().await.since(&before).get("get").is_none_or(|asked| *asked < all) {
        tokio::task::yield_now().await;
    }
    let let_go: redis::RedisResult<u64> =
        redis::cmd("RPUSH").arg("test:let-go").arg(&["go"; 99]).query_async(&mut client).await;
    let_go.expect("the server is up");
    let outcomes = join_all(workers.iter_mut().map(Worker::hear)).await;
    let runs: u64 = redis::cmd("GET").arg("test:runs").query_async(&mut client).await.expect("the server is up");

    println!("{PROCESSES} processes, {CALLERS} callers each, one cold key, lock = true: {runs} run(s) of the body");
    for (process, outcomes) in outcomes.iter().enumerate() {
        println!("  process {process}: the value and how it came: {outcomes}");
    }
}

#[redis_cached(key = "number:<id>", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache))]
async fn number(cache: &Cache, id: u64) -> u64 {
    id
}

/// What the server is asked for a miss and a hit; `wake.rs` prints what a wait adds.
async fn commands() {
    let server = RedisServer::start().await;
    let cache = cache_on(&server);
    // The connection and the scripts are there.
    number(&cache, 0).await;
    let mut traffic = server.traffic().await;
    for what in ["a miss", "a hit"] {
        number(&cache, 1).await;
        println!("{what}: {}", traffic.sent().await.join(", "));
    }
}

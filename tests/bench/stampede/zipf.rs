//! A hundred caches ask for ten thousand keys, some far more often than others, while every value expires after a second.

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use support::{RedisServer, Worker};

use crate::{PROCESSES, WORKER};

/// Caches in each process: they share nothing, as a hundred processes would.
const CACHES: u64 = 10;

/// Callers of each cache, one call after the other.
const CALLERS: u64 = 2;

const SECONDS: u64 = 15;

/// Plays and prints, with `lock` or with `no-lock`.
pub(crate) async fn print(lock: &str) {
    let (server, origin) = (RedisServer::start().await, RedisServer::start().await);
    let (url, origin_url) = (server.url(), origin.url());
    let scenarios: Vec<_> = (0..PROCESSES)
        .map(|process| format!("zipf {origin_url} {CACHES} {CALLERS} {SECONDS} {lock} {process}"))
        .collect();
    let mut workers = join_all(scenarios.iter().map(|scenario| Worker::start(WORKER, scenario, Some(&url)))).await;
    join_all(workers.iter_mut().map(|worker| worker.tell("go"))).await;
    let told = join_all(workers.iter_mut().map(Worker::hear)).await;
    let count = |name: &str| told.iter().map(|told| count_in(told, name)).sum::<u64>();

    let mut origin = origin.client().await;
    let runs = figure(&mut origin, "commandstats", "cmdstat_incr:calls=").await;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut origin).await.expect("the origin is up");
    let expired = figure(&mut server.client().await, "stats", "expired_keys:").await;
    let [hits, misses, waited, coalesced, degraded, stored] =
        ["hit", "miss", "waited", "coalesced", "degraded", "stored"].map(count);

    println!("{PROCESSES} processes with {CACHES} caches each, Zipf over 10,000 keys, {SECONDS} s, {lock}");
    println!("  calls: {hits} hits, {misses} misses, {waited} waited, {coalesced} coalesced, {degraded} degraded");
    println!("  {runs} runs, {keys} of them the first of their key; {stored} stored; {expired} keys expired");
    println!(
        "  runs for each stored value that ended and was asked for again: {:.4}; for each expired key: {:.4}",
        ratio(runs - keys, stored - keys),
        ratio(runs - keys, expired),
    );
}

#[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
fn ratio(runs: u64, expiries: u64) -> f64 {
    runs as f64 / expiries as f64
}

/// `hit:7 miss:1`, `hit` → 7
fn count_in(told: &str, name: &str) -> u64 {
    let count = told.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
    count.map_or(0, |count| count.parse().expect("a worker counts in numbers"))
}

/// A figure of `INFO`.
async fn figure(client: &mut MultiplexedConnection, section: &str, name: &str) -> u64 {
    let info: String = redis::cmd("INFO").arg(section).query_async(client).await.expect("the server is up");
    let figure = info.lines().find_map(|line| line.strip_prefix(name)?.split(',').next());
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

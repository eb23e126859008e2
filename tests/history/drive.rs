//! The driver: several historians on one Redis, and what befalls them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use support::{Operation, RedisServer};

use crate::crew::{Historian, History};

/// Processes that work at the same time.
const CREW: u32 = 3;

/// What may befall a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A process is killed, and replaced.
    Kill,
    /// A process stops for longer than the short leases, and goes on.
    Pause,
    /// The connections of all processes to the cache are killed.
    Disconnect,
    /// One of them is.
    DisconnectOne,
    /// The cache has too little memory for a while, and evicts.
    Squeeze,
}

/// What befalls a run is drawn from here: what stands here several times is so much more frequent.
pub(crate) const FAULTS: [Fault; 8] = [
    Fault::Kill,
    Fault::Pause,
    Fault::Pause,
    Fault::Disconnect,
    Fault::DisconnectOne,
    Fault::DisconnectOne,
    Fault::DisconnectOne,
    Fault::Squeeze,
];

/// Longer than the short leases of the historians' functions by this much.
const PAUSE_MILLIS: std::ops::Range<u64> = 120..350;

/// What came of a run.
pub(crate) struct Run {
    pub(crate) history: Vec<Operation>,
    pub(crate) faults: BTreeMap<Fault, u32>,
    /// Entries that the cache evicted for want of memory.
    pub(crate) evicted: u64,
}

/// A run under way.
struct Drive<'d> {
    arguments: [&'d str; 3],
    cache: MultiplexedConnection,
    crew: Vec<Historian>,
    started: u32,
    history: History,
    rng: Rng,
}

/// Lets historians work on this store for so long, and faults drawn from the seed befall them.
pub(crate) async fn run(store: &str, seed: u64, span: Duration) -> Run {
    let (cache, origin) = (RedisServer::start().await, RedisServer::start().await);
    let (cache_url, origin_url) = (cache.url(), origin.url());
    let mut drive = Drive {
        arguments: [store, &cache_url, &origin_url],
        cache: cache.client().await,
        crew: Vec::new(),
        started: 0,
        history: History::default(),
        rng: Rng::with_seed(seed),
    };
    for _ in 0..CREW {
        drive.start_one().await;
    }
    let until = Instant::now() + span;
    let mut faults = BTreeMap::new();
    while Instant::now() < until {
        drive.rest(50..250).await;
        let fault = FAULTS[drive.rng.usize(..FAULTS.len())];
        drive.befall(fault).await;
        *faults.entry(fault).or_default() += 1;
    }
    for historian in drive.crew.drain(..) {
        historian.end().await;
    }
    let evicted = evicted(&drive.ask::<String>(&["INFO", "stats"]).await);
    Run { history: drive.history.take(), faults, evicted }
}

impl Drive<'_> {
    async fn start_one(&mut self) {
        self.started += 1;
        self.crew.push(Historian::start(&self.arguments, self.started, &self.history).await);
    }

    async fn befall(&mut self, fault: Fault) {
        let number = self.rng.usize(..self.crew.len());
        match fault {
            Fault::Kill => {
                self.crew.swap_remove(number).kill().await;
                self.start_one().await;
            }
            Fault::Pause => {
                self.crew[number].pause();
                self.rest(PAUSE_MILLIS).await;
                self.crew[number].resume();
            }
            Fault::Disconnect => {
                self.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
            }
            Fault::DisconnectOne => self.disconnect_one().await,
            Fault::Squeeze => self.squeeze().await,
        }
    }

    async fn disconnect_one(&mut self) {
        let own: u64 = self.ask(&["CLIENT", "ID"]).await;
        let list: String = self.ask(&["CLIENT", "LIST"]).await;
        let id = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse::<u64>().ok();
        let others: Vec<u64> = list.lines().filter_map(id).filter(|id| *id != own).collect();
        if let Some(id) = self.rng.choice(others) {
            // Zero where it went by itself meanwhile.
            self.ask::<u64>(&["CLIENT", "KILL", "ID", &id.to_string()]).await;
        }
    }

    /// Entries are evicted to make room for ballast, then everything is refused for a moment.
    async fn squeeze(&mut self) {
        let memory = self.ask::<String>(&["INFO", "memory"]).await;
        let used: u64 = figure(&memory, "used_memory:");
        self.ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).await;
        self.ask::<String>(&["CONFIG", "SET", "maxmemory", &(used + 400_000).to_string()]).await;
        let ballast = "x".repeat(100_000);
        for number in 0..20 {
            // It may be refused: what matters is what it drives out.
            let key = format!("ballast:{}", number % 8);
            let set = redis::cmd("SET").arg(key).arg(&ballast).arg("PX").arg(500).to_owned();
            let _: redis::RedisResult<String> = set.query_async(&mut self.cache).await;
            self.rest(2..10).await;
        }
        self.ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
        self.rest(5..30).await;
        self.ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    }

    async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.cache).await.expect("the cache is up, and the driver's connection is spared")
    }

    async fn rest(&mut self, millis: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(millis))).await;
    }
}

fn evicted(stats: &str) -> u64 {
    figure(stats, "evicted_keys:")
}

/// `used_memory:1024` → 1024
fn figure(info: &str, name: &str) -> u64 {
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {name} in {info}"))
}

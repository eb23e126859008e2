//! Random schedules of calls, runs that end, fail or are dropped, and leases that get lost, in several processes. What the
//! server did is told by itself (`MONITOR`), and held against a model: a value is stored only while the lease it was
//! loaded under is there, and one lease stores one value.

use std::collections::BTreeSet;

use cache_runtime::{Cache, redis_cached};
use support::{RedisServer, within};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::patient_cache;

const SEEDS: u64 = 6;
const STEPS: u64 = 60;
const PROCESSES: u64 = 3;

/// How a run ends, if it comes to that; dropped, it is never told.
type End = Result<u64, u64>;

// Nobody comes to its limit while a test runs: who waits longer than a test does waits in vain.
#[redis_cached(key = "scheduled", ttl = 600, lock(wait = "60s", lease = "60s"), cache = cache, skip(cache, begins))]
async fn scheduled(cache: &Cache, begins: tokio::sync::mpsc::UnboundedSender<oneshot::Sender<End>>) -> End {
    let (end, ended) = oneshot::channel();
    begins.send(end).expect("the schedule plays");
    ended.await.expect("the schedule ends every run")
}

/// Random numbers that a seed repeats (Steele et al., `SplitMix64`, 2014).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}

/// Plays a schedule; everybody has an answer, but those who were dropped.
async fn play(server: &RedisServer, seed: u64) {
    let caches: Vec<_> = (0..PROCESSES).map(|_| patient_cache(server)).collect();
    let mut client = server.client().await;
    let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (mut draws, mut runs, mut callers) = (Draws(seed), Vec::new(), Vec::<JoinHandle<End>>::new());
    for step in 0..STEPS {
        match draws.below(10) {
            0..5 => {
                let process = usize::try_from(draws.below(PROCESSES)).expect("a few");
                let (cache, begins) = (caches[process].clone(), begins.clone());
                callers.push(tokio::spawn(async move { scheduled(&cache, begins).await }));
            }
            5..8 => end(&mut runs, &mut draws, step),
            8 if !callers.is_empty() => {
                let caller = usize::try_from(draws.below(callers.len() as u64)).expect("a few");
                callers.swap_remove(caller).abort();
            }
            _ => {
                let lost: redis::RedisResult<u64> = redis::cmd("DEL").arg("scheduled").query_async(&mut client).await;
                lost.expect("the server is up");
            }
        }
        for _ in 0..draws.below(4) {
            let _: String = redis::cmd("PING").query_async(&mut client).await.expect("the server is up");
        }
        while let Ok(run) = begun.try_recv() {
            runs.push(run);
        }
    }
    let rest = async {
        for mut caller in callers {
            loop {
                while !runs.is_empty() {
                    end(&mut runs, &mut draws, STEPS);
                }
                tokio::select! {
                    answer = &mut caller => {
                        let _ = answer.expect("nobody panics");
                        break;
                    }
                    Some(run) = begun.recv() => runs.push(run),
                }
            }
        }
    };
    within(&format!("all callers of seed {seed}"), rest).await;
}

/// Ends one of the runs: two of three with a value.
fn end(runs: &mut Vec<oneshot::Sender<End>>, draws: &mut Draws, step: u64) {
    if !runs.is_empty() {
        let run = usize::try_from(draws.below(runs.len() as u64)).expect("a few");
        let end = if draws.below(3) == 0 { Err(step) } else { Ok(step) };
        // Who was dropped does not hear of it.
        let _ = runs.swap_remove(run).send(end);
    }
}

#[tokio::test]
async fn a_value_is_stored_only_under_the_lease_that_is_there_and_once() {
    let mut stored = 0;
    for seed in 0..SEEDS {
        let server = RedisServer::start().await;
        let mut traffic = server.traffic().await;
        play(&server, seed).await;
        stored += check(&traffic.lines().await, seed);
    }
    assert!(stored > SEEDS, "the schedules store values: {stored}");
}

/// What is at the key.
#[derive(Debug, PartialEq, Eq)]
enum At {
    Nothing,
    Lease(Vec<u8>),
    Value,
}

/// Follows what the server did; returns how many values were stored.
fn check(lines: &[String], seed: u64) -> u64 {
    let (mut at, mut stored) = (At::Nothing, BTreeSet::new());
    for line in lines {
        let words = words(line);
        match words.first().map(|name| name.to_ascii_lowercase()).as_deref() {
            Some(b"set") => {
                // The layout of an entry: the kind at 2, of which 0 is VALUE, and the token from 4 on.
                let (is_value, token) = (words[2][2] == 0, words[2][4..12].to_vec());
                if is_value {
                    assert_eq!(at, At::Lease(token.clone()), "seed {seed}: {line}");
                    assert!(stored.insert(token), "seed {seed}: a second value: {line}");
                    at = At::Value;
                } else {
                    assert_eq!(at, At::Nothing, "seed {seed}: a lease where something is: {line}");
                    at = At::Lease(token);
                }
            }
            Some(b"del" | b"unlink") => at = At::Nothing,
            _ => {}
        }
    }
    stored.len() as u64
}

/// `+1700000000.123456 [0 lua] "SET" "k" "\xca\x01"` → the words as bytes.
fn words(line: &str) -> Vec<Vec<u8>> {
    let Some((_, quoted)) = line.split_once("] ") else { return Vec::new() };
    let (mut words, mut bytes, mut is_open) = (Vec::new(), quoted.bytes(), false);
    while let Some(byte) = bytes.next() {
        let meant = match (byte, is_open) {
            (b'"', _) => {
                is_open = !is_open;
                if is_open {
                    words.push(Vec::new());
                }
                continue;
            }
            (b'\\', true) => escaped(&mut bytes),
            (_, true) => byte,
            (_, false) => continue,
        };
        words.last_mut().expect("a word is open").push(meant);
    }
    words
}

/// The byte that stands after a backslash.
fn escaped(bytes: &mut impl Iterator<Item = u8>) -> u8 {
    match bytes.next() {
        Some(b'x') => {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).expect("two digits");
            u8::try_from(digit() * 16 + digit()).expect("two digits are a byte")
        }
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'a') => 7,
        Some(b'b') => 8,
        other => other.expect("MONITOR ends no word with a backslash"),
    }
}

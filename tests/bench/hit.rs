//! What a warm hit costs: through the attribute and by hand, on the same server, in the same run.
//!
//! The two take turns in short slices, so that a noisy neighbour disturbs both; each pair of slices gives one ratio,
//! and the median of these is printed.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Memory, redis_cached};
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use support::RedisServer;

/// Pairs of slices; the median of this many ratios is steady to about a hundredth on a busy machine.
const PAIRS: usize = 41;

const SLICE: Duration = Duration::from_millis(150);

/// About a kibibyte, encoded.
#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    emails: Vec<String>,
    about: String,
}

fn user_of(id: u64) -> User {
    let emails = (0..4).map(|n| format!("user-{id}-{n}@example.org")).collect();
    User { id, name: format!("User {id}"), emails, about: "x".repeat(850) }
}

#[redis_cached(key = "user:<id>:v1", ttl = 600, lock = true)]
async fn user(id: u64) -> User {
    user_of(id)
}

#[redis_cached(key = "user:<id>:v1", ttl = 600, lock = true, cache = cache, skip(cache))]
async fn user_in(cache: &Cache, id: u64) -> User {
    user_of(id)
}

/// What one writes without the attribute: no lease, no deadline but the connection's own.
async fn user_by_hand(connection: &MultiplexedConnection, id: u64) -> User {
    let entry: Option<Vec<u8>> = redis::cmd("GET")
        .arg(format!("by-hand:user:{id}:v1"))
        .query_async(&mut connection.clone())
        .await
        .expect("the server is up");
    rmp_serde::from_slice(&entry.expect("the value was stored")).expect("the value decodes")
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = RedisServer::start().await;
    Cache::builder()
        .redis_url(server.url())
        .deadline(Duration::from_secs(5))
        .build()
        .and_then(Cache::install)
        .expect("the URL is well formed, and this is the first cache");
    let connection = server.client().await;
    let entry = rmp_serde::to_vec_named(&user_of(7)).expect("a user encodes");
    let size = entry.len();
    let _: () = redis::cmd("SET")
        .arg("by-hand:user:7:v1")
        .arg(entry)
        .arg("EX")
        .arg(600)
        .query_async(&mut connection.clone())
        .await
        .expect("the server is up");
    user(7).await;

    println!("a warm hit of {size} bytes, the attribute beside a hand-written GET + decode on a MultiplexedConnection");
    for tasks in [1, 64] {
        let connection = connection.clone();
        let attribute = || async { user(7).await.id };
        let by_hand = move || {
            let connection = connection.clone();
            async move { user_by_hand(&connection, 7).await.id }
        };
        compare(&format!("Redis, {tasks:>2} tasks"), tasks, attribute, by_hand).await;
    }

    let memory = Cache::builder().memory(Memory::entries(1_000)).build().expect("nothing is wrong with it");
    user_in(&memory, 7).await;
    let map = Arc::new(RwLock::new(std::collections::HashMap::from([("user:7:v1".to_owned(), user_of(7))])));
    println!("a hit in this process (key, lookup, decode) beside a RwLock<HashMap> lookup and clone");
    let attribute = move || {
        let memory = memory.clone();
        async move { user_in(&memory, 7).await.id }
    };
    let bare = move || {
        let map = Arc::clone(&map);
        async move {
            let map = map.read().expect("nobody panics");
            map.get(&format!("user:{}:v1", 7)).cloned().map_or(0, |user| user.id)
        }
    };
    compare("memory, 1 task", 1, attribute, bare).await;
}

/// Lets the attribute and the other one take turns, and prints calls per second, time per call, and the median of the
/// ratios.
async fn compare<A, B>(
    what: &str,
    tasks: u64,
    attribute: impl Fn() -> A + Clone + Send + 'static,
    beside: impl Fn() -> B + Clone + Send + 'static,
) where
    A: Future<Output = u64> + Send + 'static,
    B: Future<Output = u64> + Send + 'static,
{
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Who goes first takes turns too.
        let (our, their) = if pair % 2 == 0 {
            let our = rate(tasks, attribute.clone()).await;
            (our, rate(tasks, beside.clone()).await)
        } else {
            let their = rate(tasks, beside.clone()).await;
            (rate(tasks, attribute.clone()).await, their)
        };
        ours.push(our);
        theirs.push(their);
        ratios.push(our / their);
    }
    let (ours, theirs, ratio) = (median(ours), median(theirs), median(ratios));
    let micros = |rate: f64| tasks_f64(tasks) * 1e6 / rate;
    println!(
        "  {what}: {ours:>9.0}/s beside {theirs:>9.0}/s, throughput x{ratio:.3}; {:.2} µs beside {:.2} µs, latency x{:.3}",
        micros(ours),
        micros(theirs),
        1.0 / ratio,
    );
}

fn tasks_f64(tasks: u64) -> f64 {
    u32::try_from(tasks).map_or(f64::NAN, f64::from)
}

/// Calls per second of so many tasks that each call again at once, for one slice.
async fn rate<F: Future<Output = u64> + Send + 'static>(
    tasks: u64,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> f64 {
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (call, over, calls) = (call.clone(), Arc::clone(&over), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut made = 0;
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(std::hint::black_box(call().await), 7);
                    made += 1;
                }
                calls.fetch_add(made, Ordering::Relaxed);
            })
        })
        .collect();
    tokio::time::sleep(SLICE).await;
    over.store(true, Ordering::Relaxed);
    for task in running {
        task.await.expect("no call panics");
    }
    let seconds = begun.elapsed().as_secs_f64();
    let calls = calls.load(Ordering::Relaxed);
    u32::try_from(calls).map_or(f64::NAN, f64::from) / seconds
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

//! The bad day: stop a Redis, start it again, and watch the application not notice.
//!
//! ```text
//! redis-server --port 7777                                                   in one terminal
//! REDIS_URL=redis://127.0.0.1:7777/ cargo run --example redis_down           in another
//! ```
//!
//! Then stop the server (Ctrl-C, or Ctrl-Z to hang it, `fg` to let it go on) and start it again. Every second the program
//! prints how 200 calls fared, and how the cache is: the same line that a readiness probe or an alert would show.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Error, redis_cached, report};
use futures_util::future::join_all;

static RUNS: AtomicU64 = AtomicU64::new(0);

/// A query of 20 ms; of which no more than eight run at once while Redis is away.
#[redis_cached(key = "page:<number>:v1", ttl = "2s", lock = true)]
async fn page(number: u64) -> String {
    RUNS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(20)).await;
    format!("page {number}")
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Ok(url) = std::env::var("REDIS_URL") else {
        eprintln!(
            "Start a server with `redis-server --port 7777`, then run this with REDIS_URL=redis://127.0.0.1:7777/"
        );
        std::process::exit(2);
    };
    let cache = Cache::builder().redis_url(url).outage_concurrency(8).degraded_ttl(Duration::from_secs(1));
    let cache = cache.build()?.install()?;
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(u64::MAX);
    for _ in 0..seconds {
        let (runs, begun) = (RUNS.load(Ordering::Relaxed), Instant::now());
        let calls = (0..200).map(|call| async move {
            let asked = Instant::now();
            let (_, report) = report(page(call % 50)).await;
            (report.calls().first().map(|call| call.outcome().to_string()), asked.elapsed())
        });
        let answers = join_all(calls).await;
        let slowest = answers.iter().map(|(_, took)| *took).max().unwrap_or_default();
        let mut outcomes = BTreeMap::<_, u32>::new();
        for outcome in answers.into_iter().filter_map(|(outcome, _)| outcome) {
            *outcomes.entry(outcome).or_default() += 1;
        }
        let outcomes: Vec<_> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let runs = RUNS.load(Ordering::Relaxed) - runs;
        println!("{}; slowest {} ms; {runs} runs | store {}", outcomes.join(", "), slowest.as_millis(), cache.health());
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed())).await;
    }
    let lost = cache.shutdown(Duration::from_secs(1)).await;
    if !lost.is_clean() {
        eprintln!("the cache was not done: {lost}");
    }
    Ok(())
}

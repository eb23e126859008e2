//! Nobody waits for a refresh: past its freshness an old value is served at once, while one call in the background
//! loads the new one. And when the origin fails, the old value goes on being served.
//!
//! ```text
//! cargo run --example stale_while_revalidate
//! ```
//!
//! Needs no server; with `REDIS_URL` set, the values are there, and one process of all refreshes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Error, redis_cached, report};

/// A bank that takes half a second for an answer, and fails after the third.
#[redis_cached(
    key = "rate:<currency>:v1",
    ttl = "1s",
    jitter = 0.0,
    stale_while_revalidate = "3s",
    stale_if_error = "1m"
)]
async fn rate(currency: &str) -> Result<String, &'static str> {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    match ASKED.fetch_add(1, Ordering::Relaxed) + 1 {
        answer @ 1..=3 => Ok(format!("{currency} {answer}.00")),
        _ => Err("the bank is closed"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    rate_entry("EUR").invalidate().await?;
    println!("   at  answer           outcome   the caller waited");
    let begun = Instant::now();
    for _ in 0..24 {
        let asked = Instant::now();
        let (answer, report) = report(rate("EUR")).await;
        let outcome = report.calls().first().map_or_else(String::new, |call| call.outcome().to_string());
        println!(
            "{:4.1} s  {:<15}  {outcome:<8}  {:3} ms",
            (asked - begun).as_secs_f64(),
            answer.unwrap_or_else(ToOwned::to_owned),
            asked.elapsed().as_millis(),
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    println!("one caller waited: the first. All the others had an answer at once, the bank being slow or closed.");
    let lost = Cache::current().shutdown(Duration::from_secs(1)).await;
    if !lost.is_clean() {
        eprintln!("the cache was not done: {lost}");
    }
    Ok(())
}

//! Fresh, stale, expired: old values are served while new ones are loaded, and nobody waits for a refresh.
//!
//! What is about times runs on memory and virtual time; what is about processes runs on a real server, where a short
//! TTL is over when a call says that it was served a stale value.

mod clocks;
mod early;
mod late;
mod on_error;
mod outcomes;
mod revalidation;

use std::time::Duration;

use cache_runtime::{Cache, CallReport, Memory, Outcome, report};
use support::{PATIENCE, built};

fn memory() -> Cache {
    built(Cache::builder().memory(Memory::entries(100)))
}

/// Calls until a call has this outcome.
async fn until<T, F: Future<Output = T>>(outcome: Outcome, call: impl Fn() -> F) -> T {
    let begun = std::time::Instant::now();
    loop {
        let (value, called) = reported(call()).await;
        if called.outcome() == outcome {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "no call is {outcome}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What one call returned, and what became of it.
async fn reported<T>(call: impl Future<Output = T>) -> (T, CallReport) {
    let (value, report) = report(call).await;
    (value, report.calls().last().expect("the call is reported").clone())
}

//! What lives on in the process when it rests, and what its cache has pending.

use std::alloc::System;
use std::time::Duration;

use cache_runtime::Cache;
use cap::Cap;
use support::PATIENCE;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

/// Counts what is allocated and not freed, exactly: what the system gives a process says little of what it keeps.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Counts once the tasks are not more than `most` and no invalidation is pending, or when that takes too long; at once where
/// nobody says how many.
pub(crate) async fn rested(most: Option<usize>) -> String {
    let until = Instant::now() + PATIENCE / 2;
    // Leases that go back and refreshes are tasks, and end soon.
    while most.is_none_or(|most| tasks() > most || pending() > 0) && Instant::now() < until {
        if most.is_none() && is_settled().await {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    format!("rested {} {} {}", tasks(), HEAP.allocated(), pending())
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

fn pending() -> usize {
    Cache::current().health().pending_invalidations()
}

/// Whether the tasks stay as many for longer than anything in the background of an idle process takes.
async fn is_settled() -> bool {
    let before = tasks();
    sleep(Duration::from_millis(300)).await;
    tasks() == before
}

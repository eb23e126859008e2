//! What a caller takes that waits for another caller of its process: thousands of them wait in a stampede.
//!
//! Counted exactly, by the allocator: what callers have allocated and not freed once all of them wait, with the client's
//! and the server connection's share, and the size of their futures, which is more than a waiting caller adds, for it
//! contains the body's. Tasks, stacks and whatever else surrounds a call are not the cache's.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;

use allocation_counter::measure;
use cache_runtime::{Cache, redis_cached};
use futures_util::future::{join, join_all};
use support::{Origin, Stage, within};

#[redis_cached(key = "crowded", ttl = 600, lock(wait = "60s", lease = "60s"), cache = cache, skip(cache, origin))]
async fn crowded(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

/// What one waiting caller takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Allocated by it and not freed while it waits.
    pub(crate) heap: u64,
    /// Its future.
    pub(crate) future: u64,
}

/// Counts for so many callers that wait for one more, on Redis or in memory.
pub(crate) fn waiting_callers(count: u32, on_redis: bool) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (stage, origin) = (runtime.block_on(stage(on_redis)), Origin::held());
    let cache = &stage.cache;
    let future = size_of_val(&crowded(cache, &origin)) as u64;
    let mut leader: Pin<Box<dyn Future<Output = u64>>> = Box::pin(crowded(cache, &origin));
    runtime.block_on(async {
        tokio::select! {
            _ = &mut leader => unreachable!("the origin is held"),
            () = origin.has_begun(1) => {}
        }
    });
    // What holds the callers is not theirs.
    let mut callers = join_all((0..count).map(|_| Box::pin(crowded(cache, &origin))));
    let allocated = measure(|| {
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = &mut callers => unreachable!("the origin is held"),
                () = all_wait(cache) => {}
            }
        });
    });
    origin.let_go();
    let (led, waited) = runtime.block_on(within("all callers", join(leader, callers)));
    assert!(led == 1 && waited.iter().all(|value| *value == 1), "everybody waited for the first");
    assert_eq!(origin.runs(), 1);
    let heap = u64::try_from(allocated.bytes_current).expect("waiting takes memory");
    Figures { heap: heap / u64::from(count), future }
}

async fn stage(on_redis: bool) -> Stage {
    let stage = if on_redis { Stage::redis().await } else { Stage::memory().await };
    // The connection and the scripts are there.
    crowded(&stage.cache, &Origin::default()).await;
    crowded_entry(&stage.cache).invalidate().await.expect("the store is up");
    stage
}

/// Ends once the callers, which are polled before it, wait: a connection answers in order, so the answer to this look
/// comes after the answers to theirs.
async fn all_wait(cache: &Cache) {
    let looks = Cell::new(0);
    while looks.replace(looks.get() + 1) < 3 {
        crowded_entry(cache).get().await.expect("the store is up");
        tokio::task::yield_now().await;
    }
}

// Once it was 2,359 bytes and the future: each kept the room of the look that came before the wait, and what it waited for
// twice.
#[test]
fn a_caller_that_waits_takes_less_than_two_kibibytes() {
    for on_redis in [false, true] {
        let Figures { heap, future } = waiting_callers(1_000, on_redis);
        assert!(heap + future < 2_048, "{heap} bytes, and {future} of the future, on Redis: {on_redis}");
    }
}

//! An origin that fails is neither asked by all callers at once nor by one after the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, Memory, redis_cached};
use futures_util::future::join_all;
use support::built;

/// Fails after a second, and knows how many were asking it at once.
#[derive(Default)]
struct Failing {
    asking: AtomicU64,
    most: AtomicU64,
    runs: AtomicU64,
}

/// An error that cannot be cloned.
#[derive(Debug)]
struct Refused(u64);

#[redis_cached(key = "failing", cache = cache, skip(cache, origin))]
async fn failing(cache: &Cache, origin: &Failing) -> Result<u64, Refused> {
    ask(origin).await.map_err(Refused)
}

#[redis_cached(key = "failing", cache = cache, skip(cache, origin))]
async fn failing_for_all(cache: &Cache, origin: &Failing) -> Result<u64, u64> {
    ask(origin).await
}

async fn ask(origin: &Failing) -> Result<u64, u64> {
    let run = origin.runs.fetch_add(1, Ordering::SeqCst);
    let asking = origin.asking.fetch_add(1, Ordering::SeqCst) + 1;
    origin.most.fetch_max(asking, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(1)).await;
    origin.asking.fetch_sub(1, Ordering::SeqCst);
    Err(run)
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_failing_origin_try_again_in_widening_groups() {
    let (cache, origin) = (built(Cache::builder().memory(Memory::entries(10))), Failing::default());
    let begun = tokio::time::Instant::now();
    let answers = join_all((0..63).map(|_| failing(&cache, &origin))).await;

    let mut errors: Vec<_> = answers.into_iter().map(|answer| answer.expect_err("the origin fails").0).collect();
    errors.sort_unstable();
    assert_eq!(errors, (0..63).collect::<Vec<_>>(), "each caller has the error of its own run");
    // 1 + 2 + 4 + 8 + 16 + 32 callers, a second each.
    assert_eq!(begun.elapsed().as_secs(), 6);
    assert_eq!(origin.most.load(Ordering::SeqCst), 32);
}

#[tokio::test(start_paused = true)]
async fn callers_of_one_run_share_an_error_that_can_be_cloned() {
    let (cache, origin) = (built(Cache::builder().memory(Memory::entries(10))), Failing::default());
    let answers = join_all((0..63).map(|_| failing_for_all(&cache, &origin))).await;
    assert_eq!(answers, vec![Err(0); 63]);
    assert_eq!(failing_for_all(&cache, &origin).await, Err(1), "who comes later asks anew");
}

/// Fails after four seconds, which is less than a caller waits for one run, and more for a third.
#[redis_cached(key = "failing_slowly", cache = cache, skip(cache, origin))]
async fn failing_slowly(cache: &Cache, origin: &Failing) -> Result<u64, Refused> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    ask(origin).await.map_err(Refused)
}

// Once all that were left after twice the wait asked it at once.
#[tokio::test(start_paused = true)]
async fn however_long_it_takes_to_fail_it_is_not_asked_by_all_at_once() {
    let (cache, origin) = (built(Cache::builder().memory(Memory::entries(10))), Failing::default());
    join_all((0..63).map(|_| failing_slowly(&cache, &origin))).await;
    assert_eq!((origin.runs.load(Ordering::SeqCst), origin.most.load(Ordering::SeqCst)), (63, 32));
}

// Once all that were left after twelve rounds asked it at once.
#[tokio::test(start_paused = true)]
async fn however_many_ask_a_failing_origin_no_more_than_1024_do_so_at_once() {
    let (cache, origin) = (built(Cache::builder().memory(Memory::entries(10))), Failing::default());
    join_all((0..2_600).map(|_| failing(&cache, &origin))).await;
    assert_eq!((origin.runs.load(Ordering::SeqCst), origin.most.load(Ordering::SeqCst)), (2_600, 1_024));
}

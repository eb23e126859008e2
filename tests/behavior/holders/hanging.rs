//! Bodies that hang: the callers that wait for one start others in widening groups, one, two, four, eight, never all at
//! once; and whichever returns first serves them all.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, Memory, redis_cached};
use futures_util::future::join_all;
use support::{FailingStore, Mood, Origin, OwnStore, built};
use tokio::time::{Instant, sleep, timeout};

const WAIT: Duration = Duration::from_secs(5);

/// Bodies of which the first ones do not return, and the others do after this long.
struct Bodies {
    begun: AtomicU64,
    hang: u64,
    take: Duration,
}

impl Bodies {
    fn that_hang(hang: u64) -> Self {
        Self { begun: AtomicU64::new(0), hang, take: Duration::ZERO }
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    async fn run(&self) -> u64 {
        let body = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        if body <= self.hang {
            pending::<()>().await;
        }
        sleep(self.take).await;
        body
    }
}

#[redis_cached(key = "hangs", ttl = 600, lock(wait = WAIT, lease = "300s"), cache = cache, skip(cache, bodies))]
async fn hangs(cache: &Cache, bodies: &Bodies) -> u64 {
    bodies.run().await
}

/// Its values are for those who call at once, and not stored.
#[redis_cached(
    key = "unstored", ttl = 600, lock(wait = WAIT, lease = "300s"), cache_if = |_| false, cache = cache, skip(cache, bodies)
)]
async fn unstored(cache: &Cache, bodies: &Bodies) -> u64 {
    bodies.run().await
}

#[redis_cached(key = "hangs", ttl = 600, lock(wait = WAIT, lease = "300s"), cache = cache, skip(cache, origin))]
async fn held_elsewhere(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

/// How many bodies have begun at once after so many callers arrived, and after each wait from then on.
async fn begun(cache: &Cache, bodies: &Bodies, callers: usize, waits: usize) -> Vec<u64> {
    let mut callers = join_all((0..callers).map(|_| hangs(cache, bodies)));
    let mut begun = Vec::new();
    for wait in 0..=waits {
        let pause = if wait == 0 { Duration::from_secs(1) } else { WAIT };
        timeout(pause, &mut callers).await.expect_err("the bodies hang");
        begun.push(bodies.begun());
    }
    begun
}

// Once all the others started theirs after twice the wait.
#[tokio::test(start_paused = true)]
async fn callers_start_them_in_widening_groups() {
    let (cache, bodies) = (built(Cache::builder().memory(Memory::entries(10))), Bodies::that_hang(u64::MAX));
    let begun = begun(&cache, &bodies, 1_000, 10).await;
    assert_eq!(begun, [1, 3, 7, 15, 31, 63, 127, 255, 511, 1_000, 1_000]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_1024_are_started_at_a_time() {
    let (cache, bodies) = (built(Cache::builder().memory(Memory::entries(10))), Bodies::that_hang(u64::MAX));
    let begun = begun(&cache, &bodies, 2_600, 11).await;
    assert_eq!(begun[9..], [1_023, 2_047, 2_600]);
}

/// All but the first arrive while its body hangs, and wait for the next one; and then in groups.
#[tokio::test(start_paused = true)]
async fn callers_that_the_store_refuses_a_lease_start_them_in_widening_groups_too() {
    let (store, bodies) = (FailingStore::default(), Bodies::that_hang(u64::MAX));
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::ReadOnly);
    let begun = begun(&cache, &bodies, 1_000, 4).await;
    assert_eq!(begun, [1, 2, 4, 8, 16]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_come_while_the_store_refuses_leases_wait_for_one_that_hangs_up_to_their_limit() {
    let (store, bodies) = (FailingStore::default(), Bodies::that_hang(1));
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::ReadOnly);
    let mut first = Box::pin(hangs(&cache, &bodies));
    timeout(Duration::from_secs(1), &mut first).await.expect_err("the first body hangs");
    let begun = Instant::now();
    assert_eq!(join_all((0..100).map(|_| hangs(&cache, &bodies))).await, vec![2; 100]);
    assert_eq!(begun.elapsed(), WAIT);
}

#[tokio::test(start_paused = true)]
async fn when_the_next_ones_return_everybody_is_served_by_them() {
    let (cache, bodies) = (built(Cache::builder().memory(Memory::entries(10))), Bodies::that_hang(1));
    let begun = Instant::now();
    let mut first = Box::pin(hangs(&cache, &bodies));
    timeout(Duration::from_millis(1), &mut first).await.expect_err("the first body hangs");
    let answers = join_all((0..1_000).map(|_| hangs(&cache, &bodies))).await;
    assert!(answers.iter().all(|body| (2..=3).contains(body)), "{answers:?}");
    assert!(bodies.begun() <= 3 && begun.elapsed() <= WAIT + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_longer_than_the_wait_serves_the_callers_that_have_left_it() {
    let (cache, mut bodies) = (built(Cache::builder().memory(Memory::entries(10))), Bodies::that_hang(0));
    bodies.take = WAIT + Duration::from_secs(2);
    let begun = Instant::now();
    let callers = (0..1_000).map(async |_| (unstored(&cache, &bodies).await, begun.elapsed()));
    let answers = join_all(callers).await;
    let first = answers.iter().filter(|answer| **answer == (1, bodies.take)).count();
    assert_eq!((first, bodies.begun()), (998, 3), "all but those that run the other two");
}

#[tokio::test(start_paused = true)]
async fn behind_a_holder_in_another_process_that_hangs_and_keeps_its_lease_they_do_so_as_well() {
    let store = OwnStore::default();
    let [ours, theirs] = [store.clone(), store].map(|store| built(Cache::builder().store(store)));
    let (hanging, bodies) = (Origin::held(), Bodies::that_hang(u64::MAX));
    let mut holder = Box::pin(held_elsewhere(&theirs, &hanging));
    timeout(Duration::from_secs(1), &mut holder).await.expect_err("it hangs");
    let counted = async { begun(&ours, &bodies, 1_000, 5).await };
    let begun = tokio::select! {
        _ = &mut holder => unreachable!("it hangs"),
        begun = counted => begun,
    };
    assert_eq!(begun, [0, 1, 3, 7, 15, 31]);
}

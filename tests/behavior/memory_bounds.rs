//! What an in-process store takes, and what it does not keep.

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use cache_runtime::{Cache, ErrorKind, Memory, Outcome, redis_cached, report};
use support::{Event, Events, Origin, built};
use tokio::runtime::Builder;
use tracing::Level;

#[redis_cached(key = "text:<id>", ttl = 600, cache = cache, skip(cache, origin, len))]
async fn text(cache: &Cache, origin: &Origin, id: u64, len: usize) -> String {
    assert!(id < 1 << 32);
    origin.run().await.to_string().repeat(len)
}

/// Fills a store of this bound with values of this length, until a third of them has left; what it takes then: bytes, and
/// pieces of memory.
fn taken(bound: u64, len: usize) -> (i64, i64) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut cache = None;
    let value = "x".repeat(len);
    // With what it takes to keep one.
    let puts = bound / (len as u64 + 200) * 4 / 3;
    let taken = measure(|| {
        let cache = cache.insert(built(Cache::builder().memory(Memory::bytes(bound))));
        runtime.block_on(async {
            for id in 0..puts {
                text_entry(cache, id).put(&value).await.expect("it fits");
                // Whoever has been given a value shares it with the store.
                if id % 7 == 0 {
                    text_entry(cache, id).get().await.expect("memory does not fail").expect("it has just been put");
                }
            }
        });
    });
    (taken.bytes_current, taken.count_current)
}

// Once a store of 64 MiB took 101 to 126: an entry's bytes were counted, and not what they were kept in.
#[test]
fn a_full_store_takes_what_it_may_within_15_percent() {
    for bound in [1 << 20, 64 << 20] {
        for len in [20, 1 << 10, 100 << 10] {
            let (bytes, pieces) = taken(bound, len);
            // A piece takes a word more than was asked for, and is rounded up to a multiple of two words: most need none.
            let with_rounding = bytes + 12 * pieces;
            let percent = |bytes: i64| bytes * 100 / i64::try_from(bound).expect("small");
            assert!(percent(bytes) >= 85, "{bytes} of {bound} bytes with values of {len}");
            assert!(percent(with_rounding) <= 115, "{with_rounding} of {bound} bytes with values of {len}");
        }
    }
}

fn of_the_store(events: &Events) -> Vec<Event> {
    let told = events.at_least(Level::WARN);
    assert!(told.iter().all(|event| event.message.contains("does not fit")), "{told:?}");
    told
}

/// Stores of several bounds, each with the length of a value that fits, and of one that does not.
fn stores() -> Vec<(Cache, usize, usize)> {
    [(64 << 10, 30 << 10, 33 << 10), (1 << 20, 500 << 10, 513 << 10), (64 << 20, 12_500_000, 12_600_000)]
        .map(|(bound, fits, too_long)| {
            let cache = Cache::builder().memory(Memory::bytes(bound)).max_entry_bytes(64 << 20);
            (built(cache.deadline(support::PATIENCE)), fits, too_long)
        })
        .into()
}

#[tokio::test]
async fn a_value_that_fits_is_stored_and_one_that_does_not_is_said_not_to_be() {
    for (cache, fits, too_long) in stores() {
        let (events, origin) = (Events::capture(), Origin::default());
        for run in 1..=2 {
            let (answer, reported) = report(text(&cache, &origin, 7, too_long)).await;
            assert_eq!(answer.len(), too_long);
            assert_eq!((reported.calls()[0].outcome(), reported.calls()[0].stored()), (Outcome::Miss, false));
            assert_eq!(of_the_store(&events).len(), run, "one event each");
        }
        let (_, reported) = report(text(&cache, &origin, 7, fits)).await;
        assert!(reported.calls()[0].stored(), "the lease was given back");
        let (_, reported) = report(text(&cache, &origin, 7, fits)).await;
        assert_eq!((reported.calls()[0].outcome(), origin.runs()), (Outcome::Hit, 3));
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_cannot_be_put_and_leaves_what_is_there() {
    for (cache, fits, too_long) in stores() {
        let entry = text_entry(&cache, 7);
        entry.put(&"x".repeat(fits)).await.expect("it fits");
        let error = entry.put(&"y".repeat(too_long)).await.expect_err("it does not fit");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("raise `Memory::bytes`"), "{error}");
        assert_eq!(entry.get().await.expect("memory does not fail").map(|text| text.len()), Some(fits));
    }
}

#[tokio::test]
async fn callers_that_wait_for_a_value_that_does_not_fit_get_it() {
    let (cache, _, too_long) = stores().remove(1);
    let (events, origin) = (Events::capture(), Origin::held());
    let callers = futures_util::future::join_all((0..10).map(|_| text(&cache, &origin, 7, too_long)));
    let (answers, ()) = tokio::join!(callers, async {
        origin.has_begun(1).await;
        origin.let_go();
    });
    assert!(answers.iter().all(|answer| answer.len() == too_long));
    assert_eq!((origin.runs(), of_the_store(&events).len()), (1, 1));
}

#[redis_cached(
    key = "aging:<id>", ttl = "1s", jitter = 0.0, stale_while_revalidate = "1h", cache = cache, skip(cache, origin, len)
)]
async fn aging(cache: &Cache, origin: &Arc<Origin>, id: u64, len: usize) -> String {
    assert!(id < 100);
    origin.run().await.to_string().repeat(len)
}

// The refresh fails each time, and each reader of the old value would start another one.
#[tokio::test(start_paused = true)]
async fn a_value_that_has_outgrown_the_store_is_served_as_it_was_and_not_refreshed_all_the_time() {
    let (cache, fits, too_long) = stores().remove(1);
    let origin = Arc::new(Origin::default());
    assert_eq!(aging(&cache, &origin, 7, fits).await.len(), fits);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..20 {
        assert_eq!(aging(&cache, &origin, 7, too_long).await.len(), fits);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(origin.runs(), 2);
}

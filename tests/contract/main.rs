//! What every store owes the cache, the same cases on each: the lease contract as it shows through the functions, and in
//! [`writes`] the operations of writers, one by one. [`in_two_languages`] holds the scripts to what is decided in Rust.

mod in_two_languages;
mod writes;

use std::time::{Duration, Instant};

use cache_runtime::{Cache, redis_cached, refresh};
use support::{Origin, PATIENCE, Stage, on_every_store};

on_every_store!(
    a_commit_replaces_its_own_lease,
    a_commit_without_its_lease_stores_nothing,
    a_put_displaces_a_lease_and_a_value,
    a_removal_takes_value_and_lease_together,
    a_release_frees_the_key_for_the_next_fill,
    a_refresh_keeps_the_old_value_readable_until_the_new_one_is_there,
    a_refresh_that_fails_leaves_the_old_value,
    a_refresh_that_finds_nothing_removes_the_old_value,
    a_value_expires,
    many_keys_do_not_meet,
    large_and_odd_values_come_back_as_they_were,
);

#[redis_cached(key = "n:<id>", ttl = 600, cache = cache, skip(cache, origin, fail))]
async fn number(cache: &Cache, origin: &Origin, id: u64, fail: bool) -> Result<u64, u64> {
    let run = origin.run().await;
    if fail { Err(run) } else { Ok(run * 1_000 + id) }
}

async fn stored(stage: &Stage, id: u64) -> Option<u64> {
    number_entry(&stage.cache, id).get().await.expect("the store is up")
}

async fn a_commit_replaces_its_own_lease(stage: Stage) {
    let origin = Origin::held();
    let (_, while_leased) = tokio::join!(number(&stage.cache, &origin, 1, false), async {
        origin.has_begun(1).await;
        let while_leased = stored(&stage, 1).await;
        origin.let_go();
        while_leased
    });
    assert_eq!((while_leased, stored(&stage, 1).await), (None, Some(1_001)));
}

async fn a_commit_without_its_lease_stores_nothing(stage: Stage) {
    let origin = Origin::held();
    let (loaded, ()) = tokio::join!(number(&stage.cache, &origin, 1, false), async {
        origin.has_begun(1).await;
        number_entry(&stage.cache, 1).invalidate().await.expect("the store is up");
        origin.let_go();
    });
    assert_eq!((loaded, stored(&stage, 1).await), (Ok(1_001), None));
}

async fn a_put_displaces_a_lease_and_a_value(stage: Stage) {
    let origin = Origin::held();
    let entry = number_entry(&stage.cache, 1);
    let (loaded, ()) = tokio::join!(number(&stage.cache, &origin, 1, false), async {
        origin.has_begun(1).await;
        entry.put(&5).await.expect("the store is up");
        origin.let_go();
    });
    assert_eq!((loaded, stored(&stage, 1).await), (Ok(1_001), Some(5)));
    entry.put(&6).await.expect("the store is up");
    assert_eq!(stored(&stage, 1).await, Some(6));
}

async fn a_removal_takes_value_and_lease_together(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(number(&stage.cache, &origin, 1, false).await, Ok(1_001));
    origin.hold();
    let (refreshed, ()) = tokio::join!(refresh(number(&stage.cache, &origin, 1, false)), async {
        origin.has_begun(2).await;
        number_entry(&stage.cache, 1).invalidate().await.expect("the store is up");
        assert_eq!(stored(&stage, 1).await, None);
        origin.let_go();
    });
    assert_eq!((refreshed, stored(&stage, 1).await), (Ok(2_001), None));
}

async fn a_release_frees_the_key_for_the_next_fill(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(number(&stage.cache, &origin, 1, true).await, Err(1));
    assert_eq!(stored(&stage, 1).await, None);
    assert_eq!(number(&stage.cache, &origin, 1, false).await, Ok(2_001));
    assert_eq!(stored(&stage, 1).await, Some(2_001), "the next fill had the lease");
}

async fn a_refresh_keeps_the_old_value_readable_until_the_new_one_is_there(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(number(&stage.cache, &origin, 1, false).await, Ok(1_001));
    origin.hold();
    let (refreshed, meanwhile) = tokio::join!(refresh(number(&stage.cache, &origin, 1, false)), async {
        origin.has_begun(2).await;
        let meanwhile = number(&stage.cache, &origin, 1, false).await;
        origin.let_go();
        meanwhile
    });
    assert_eq!((refreshed, meanwhile), (Ok(2_001), Ok(1_001)));
    assert_eq!(stored(&stage, 1).await, Some(2_001));
}

async fn a_refresh_that_fails_leaves_the_old_value(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(number(&stage.cache, &origin, 1, false).await, Ok(1_001));
    assert_eq!(refresh(number(&stage.cache, &origin, 1, true)).await, Err(2));
    assert_eq!(number(&stage.cache, &origin, 1, false).await, Ok(1_001));
    assert_eq!(refresh(number(&stage.cache, &origin, 1, false)).await, Ok(3_001), "the lease on it is free again");
    assert_eq!(stored(&stage, 1).await, Some(3_001));
}

#[redis_cached(key = "row:<id>", ttl = 600, cache = cache, skip(cache, there))]
async fn row(cache: &Cache, id: u64, there: bool) -> Option<u64> {
    there.then_some(id)
}

async fn a_refresh_that_finds_nothing_removes_the_old_value(stage: Stage) {
    assert_eq!(row(&stage.cache, 1, true).await, Some(1));
    assert_eq!(refresh(row(&stage.cache, 1, false)).await, None);
    assert_eq!(row_entry(&stage.cache, 1).get().await.expect("the store is up"), None);
}

#[redis_cached(key = "short", ttl = Duration::from_millis(20), jitter = 0.0, cache = cache, skip(cache))]
async fn short(cache: &Cache) -> u64 {
    1
}

async fn a_value_expires(stage: Stage) {
    let before = Instant::now();
    short(&stage.cache).await;
    let entry = short_entry(&stage.cache);
    // The clock of a real store is real: asks until the value is gone.
    while entry.get().await.expect("the store is up").is_some() {
        assert!(before.elapsed() < PATIENCE, "the value stays past its TTL");
        tokio::task::yield_now().await;
    }
    assert!(before.elapsed() >= Duration::from_millis(20), "the value is gone before its TTL");
}

async fn many_keys_do_not_meet(stage: Stage) {
    let origin = Origin::default();
    let loads = futures_util::future::join_all((0..200).map(|id| number(&stage.cache, &origin, id, false)));
    let loaded = loads.await;
    for (id, loaded) in (0..).zip(loaded) {
        assert_eq!(stored(&stage, id).await, loaded.ok(), "of {id}");
    }
}

#[redis_cached(key = "bytes:<size>", ttl = 600, cache = cache, skip(cache))]
async fn bytes(cache: &Cache, size: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(size).collect()
}

async fn large_and_odd_values_come_back_as_they_were(stage: Stage) {
    for size in [0, 1, 47, 48, 49, 1 << 20] {
        let loaded = bytes(&stage.cache, size).await;
        let stored = bytes_entry(&stage.cache, size).get().await.expect("the store is up");
        assert!(stored == Some(loaded), "{size} bytes came back as something else");
    }
}

//! The operations of writers: what is stored, what is refused, and what is left, whatever comes twice or in between.

use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, Ended, HEADER_LEN, Leased, Token};
use cache_runtime::test_util::{Displaces, StoreKey, token, value};
use support::{Stage, on_every_store, within};

on_every_store!(
    a_write_displaces_a_value,
    a_write_displaces_a_lease_whose_holder_then_stores_nothing,
    no_lease_displaces_a_write_not_even_that_of_a_forced_refresh,
    an_end_stores_its_value_and_one_that_comes_again_leaves_it,
    an_end_without_a_value_leaves_nothing,
    a_writer_that_begins_again_does_not_overlap_with_itself,
    of_two_writers_that_overlap_neither_stores_its_value,
    an_end_that_comes_again_leaves_the_others_under_way,
    an_end_of_another_generation_poisons_the_write_that_is_there,
    an_end_whose_write_is_gone_removes_what_has_come_in_its_place,
    a_write_expires,
    a_write_is_renewed_by_its_writers_alone,
    a_writer_past_its_deadline_does_not_count,
    beyond_the_bound_of_writers_nothing_is_stored_before_the_deadline,
);

const KEY: &str = "k";
const MINUTE: Duration = Duration::from_secs(60);

/// Where the flags are, and which of them says POISONED.
const FLAGS: usize = 3;
const POISONED: u8 = 64;

fn key(stage: &Stage) -> StoreKey<'_> {
    StoreKey::new(&stage.cache, KEY)
}

async fn found(key: StoreKey<'_>) -> Option<Bytes> {
    key.get().await.expect("the store is up")
}

async fn begins(key: StoreKey<'_>, writer: u64, generation: u64) -> Token {
    key.begin_write(writer, generation, MINUTE).await.expect("the store is up")
}

async fn ends(key: StoreKey<'_>, writer: u64, generation: Token) -> Ended {
    let stored = value(u64::from_be_bytes(*generation.as_bytes()), KEY);
    key.end_write(writer, generation, Some((stored, MINUTE))).await.expect("the store is up")
}

/// Whether what is there is a WRITE, and a poisoned one.
async fn is_poisoned(key: StoreKey<'_>) -> bool {
    let entry = found(key).await.expect("a write is under way");
    assert_eq!(entry[2], 2, "this is not a WRITE");
    entry[FLAGS] == POISONED
}

/// Stores a value as a fill does.
async fn fill(key: StoreKey<'_>, number: u64) -> Bytes {
    let stored = value(number, KEY);
    assert_eq!(key.lease(number, MINUTE, Displaces::Nothing).await.expect("the store is up"), Leased::Granted);
    assert_eq!(key.commit(number, stored.clone(), MINUTE).await.expect("the store is up"), Commit::Stored);
    stored
}

async fn a_write_displaces_a_value(stage: Stage) {
    let key = key(&stage);
    fill(key, 1).await;
    assert_eq!(begins(key, 5, 50).await, token(50));
    assert!(!is_poisoned(key).await);
}

async fn a_write_displaces_a_lease_whose_holder_then_stores_nothing(stage: Stage) {
    let key = key(&stage);
    assert_eq!(key.lease(1, MINUTE, Displaces::Nothing).await.expect("the store is up"), Leased::Granted);
    let generation = begins(key, 5, 50).await;
    assert!(!key.renew(1, MINUTE).await.expect("the store is up"));
    assert_eq!(key.commit(1, value(1, KEY), MINUTE).await.expect("the store is up"), Commit::Lost);
    key.release(1, Duration::ZERO).await.expect("the store is up");
    assert_eq!(ends(key, 5, generation).await, Ended::Stored, "nothing of that touched the write");
}

async fn no_lease_displaces_a_write_not_even_that_of_a_forced_refresh(stage: Stage) {
    let key = key(&stage);
    begins(key, 5, 50).await;
    let write = found(key).await.expect("a write is under way");
    let all = [
        Displaces::Nothing,
        Displaces::Unusable(write.clone()),
        Displaces::Refresh(write.clone()),
        Displaces::Anything,
    ];
    for displaces in all {
        let leased = key.lease(1, MINUTE, displaces.clone()).await.expect("the store is up");
        assert_eq!(leased, Leased::Found(write.clone()), "{displaces:?}");
    }
    assert_eq!(found(key).await, Some(write));
}

async fn an_end_stores_its_value_and_one_that_comes_again_leaves_it(stage: Stage) {
    let key = key(&stage);
    let generation = begins(key, 5, 50).await;
    assert_eq!(ends(key, 5, generation).await, Ended::Stored);
    let stored = found(key).await;
    assert!(stored.is_some());
    assert_eq!(ends(key, 5, generation).await, Ended::Stored);
    assert_eq!(found(key).await, stored);
}

async fn an_end_without_a_value_leaves_nothing(stage: Stage) {
    let key = key(&stage);
    fill(key, 1).await;
    let generation = begins(key, 5, 50).await;
    for ended in [Ended::Removed, Ended::Lost] {
        assert_eq!(key.end_write(5, generation, None).await.expect("the store is up"), ended);
        assert_eq!(found(key).await, None);
    }
}

async fn a_writer_that_begins_again_does_not_overlap_with_itself(stage: Stage) {
    let key = key(&stage);
    let first = begins(key, 5, 50).await;
    assert_eq!(begins(key, 5, 51).await, first, "it is still the first generation");
    assert!(!is_poisoned(key).await);
    assert_eq!(ends(key, 5, first).await, Ended::Stored);
}

async fn of_two_writers_that_overlap_neither_stores_its_value(stage: Stage) {
    let key = key(&stage);
    let (first, second) = (begins(key, 5, 50).await, begins(key, 6, 60).await);
    assert_eq!(second, first, "one generation");
    assert!(is_poisoned(key).await);
    let before = found(key).await.expect("a write is under way");
    assert_eq!(ends(key, 6, second).await, Ended::Overlapped);
    let after = found(key).await.expect("the first one is under way");
    assert!(after[4..12] != before[4..12], "who sees the same generation knows that nobody has ended");
    assert_eq!(ends(key, 5, first).await, Ended::Overlapped);
    assert_eq!(found(key).await, None);
}

async fn an_end_that_comes_again_leaves_the_others_under_way(stage: Stage) {
    let key = key(&stage);
    let generation = begins(key, 5, 50).await;
    begins(key, 6, 60).await;
    for _ in 0..3 {
        assert_eq!(ends(key, 5, generation).await, Ended::Overlapped);
        assert!(is_poisoned(key).await);
    }
    assert_eq!(ends(key, 6, generation).await, Ended::Overlapped);
    assert_eq!(found(key).await, None);
}

async fn an_end_of_another_generation_poisons_the_write_that_is_there(stage: Stage) {
    let key = key(&stage);
    let first = begins(key, 5, 50).await;
    key.remove().await.expect("the store is up");
    let second = begins(key, 6, 60).await;
    assert!(!is_poisoned(key).await);
    assert_eq!(ends(key, 5, first).await, Ended::Overlapped);
    assert!(is_poisoned(key).await);
    assert_eq!(ends(key, 6, second).await, Ended::Overlapped, "it may have been overtaken");
    assert_eq!(found(key).await, None);
}

async fn an_end_whose_write_is_gone_removes_what_has_come_in_its_place(stage: Stage) {
    let key = key(&stage);
    for displaces_a_lease in [true, false] {
        let generation = begins(key, 5, 50).await;
        key.remove().await.expect("the store is up");
        if displaces_a_lease {
            assert_eq!(key.lease(1, MINUTE, Displaces::Nothing).await.expect("the store is up"), Leased::Granted);
        } else {
            fill(key, 1).await;
        }
        assert_eq!(ends(key, 5, generation).await, Ended::Lost);
        assert_eq!(found(key).await, None);
    }
}

async fn a_write_expires(stage: Stage) {
    let key = key(&stage);
    let generation = key.begin_write(5, 50, Duration::from_millis(20)).await.expect("the store is up");
    // The clock of a real store is real: asks until the write is gone.
    let granted = async {
        while key.lease(1, MINUTE, Displaces::Nothing).await.expect("the store is up") != Leased::Granted {
            tokio::task::yield_now().await;
        }
    };
    within("the end of a write", granted).await;
    assert_eq!(ends(key, 5, generation).await, Ended::Lost);
    assert_eq!(key.commit(1, value(1, KEY), MINUTE).await.expect("the store is up"), Commit::Lost);
}

async fn a_write_is_renewed_by_its_writers_alone(stage: Stage) {
    let key = key(&stage);
    let generation = begins(key, 5, 50).await;
    let until = |entry: Option<Bytes>| entry.map(|entry| entry[12..17].to_vec());
    let before = until(found(key).await);
    assert!(!key.renew_write(6, 2 * MINUTE).await.expect("the store is up"), "another writer");
    assert!(!key.renew(5, 2 * MINUTE).await.expect("the store is up"), "a fill");
    assert_eq!(until(found(key).await), before);
    assert!(key.renew_write(5, 2 * MINUTE).await.expect("the store is up"));
    assert!(until(found(key).await) > before);
    assert_eq!(ends(key, 5, generation).await, Ended::Stored, "a renewal does not poison");
    assert!(!key.renew_write(5, MINUTE).await.expect("the store is up"), "it has ended");
}

async fn a_writer_past_its_deadline_does_not_count(stage: Stage) {
    let key = key(&stage);
    let hour = 60 * MINUTE;
    key.begin_write_late(5, 50, MINUTE, hour).await.expect("the store is up");
    let second = begins(key, 6, 60).await;
    assert_eq!(second, token(60), "a generation of its own");
    assert_eq!(ends(key, 6, second).await, Ended::Stored);

    // Nor does it stay under way for as long as others come.
    begins(key, 7, 70).await;
    key.begin_write_late(8, 80, MINUTE, hour).await.expect("the store is up");
    begins(key, 9, 90).await;
    assert_eq!(ends(key, 7, token(70)).await, Ended::Overlapped);
    assert_eq!(ends(key, 9, token(70)).await, Ended::Overlapped);
    assert_eq!(found(key).await, None);
}

async fn beyond_the_bound_of_writers_nothing_is_stored_before_the_deadline(stage: Stage) {
    let key = key(&stage);
    for writer in 100..200 {
        begins(key, writer, 1_000 + writer).await;
    }
    let entry = found(key).await.expect("a write is under way");
    assert_eq!(entry.len(), HEADER_LEN + 65 * 13, "64 of them, and a place for the others");
    assert!(key.renew_write(199, MINUTE).await.expect("the store is up"), "it may be one of the others");
    for writer in 100..200 {
        assert_eq!(ends(key, writer, token(1_100)).await, Ended::Overlapped);
    }
    assert!(is_poisoned(key).await, "nobody knows whether the others have ended");
    assert_ne!(key.lease(1, MINUTE, Displaces::Anything).await.expect("the store is up"), Leased::Granted);
    key.remove().await.expect("the store is up");
    fill(key, 1).await;
}

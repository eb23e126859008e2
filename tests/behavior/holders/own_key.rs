//! Bodies that reach their own key again: none waits for itself. Who would, would wait for longer than a test does.

#![allow(unused_must_use, reason = "one key for every `steps`, so that a function reaches its own")]

use cache_runtime::{Cache, redis_cached};
use support::{Origin, RedisServer, within};

use super::patient_cache;

#[redis_cached(key = "even", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, steps))]
async fn even(cache: &Cache, steps: u64) -> u64 {
    if steps == 0 { 0 } else { 1 + Box::pin(odd(cache, steps - 1)).await }
}

#[redis_cached(key = "odd", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, steps))]
async fn odd(cache: &Cache, steps: u64) -> u64 {
    if steps == 0 { 0 } else { 1 + Box::pin(even(cache, steps - 1)).await }
}

#[tokio::test]
async fn through_another_function() {
    let server = RedisServer::start().await;
    assert_eq!(within("functions that call each other", even(&patient_cache(&server), 5)).await, 5);
}

#[redis_cached(key = "tree", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, depth))]
async fn tree(cache: &Cache, depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    let (left, right) = tokio::join!(Box::pin(tree(cache, depth - 1)), Box::pin(tree(cache, depth - 1)));
    left + right
}

#[tokio::test]
async fn from_both_branches_of_a_join() {
    let server = RedisServer::start().await;
    assert_eq!(within("a body that joins its own key", tree(&patient_cache(&server), 3)).await, 8);
}

#[redis_cached(key = "spawned", ttl = 600, lock(wait = "100ms"), cache = &cache, skip(cache, steps))]
async fn spawned(cache: Cache, steps: u64) -> u64 {
    if steps == 0 {
        return 0;
    }
    let inner: tokio::task::JoinHandle<u64> = tokio::spawn(boxed(cache, steps - 1));
    1 + inner.await.expect("it does not panic")
}

fn boxed(cache: Cache, steps: u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(spawned(cache, steps))
}

#[tokio::test]
async fn from_a_task_that_it_spawns_it_waits_no_longer_than_its_limit() {
    let server = RedisServer::start().await;
    assert_eq!(within("a body that spawns its own key", spawned(patient_cache(&server), 2)).await, 2);
}

#[redis_cached(key = "left", ttl = 600, lock(wait = "100ms"), cache = cache, skip(cache, meeting, steps))]
async fn left(cache: &Cache, meeting: &Origin, steps: u64) -> u64 {
    meeting.run().await;
    meeting.has_begun(2).await;
    if steps == 0 { 0 } else { 1 + Box::pin(right(cache, meeting, steps - 1)).await }
}

#[redis_cached(key = "right", ttl = 600, lock(wait = "100ms"), cache = cache, skip(cache, meeting, steps))]
async fn right(cache: &Cache, meeting: &Origin, steps: u64) -> u64 {
    meeting.run().await;
    meeting.has_begun(2).await;
    if steps == 0 { 0 } else { 1 + Box::pin(left(cache, meeting, steps - 1)).await }
}

#[tokio::test]
async fn two_bodies_that_wait_for_each_other_do_so_no_longer_than_their_limit() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (patient_cache(&server), patient_cache(&server));
    for theirs in [&ours, &theirs] {
        left_entry(&ours).invalidate().await.expect("the server is up");
        right_entry(&ours).invalidate().await.expect("the server is up");
        let meeting = Origin::default();
        let both = async { tokio::join!(left(&ours, &meeting, 1), right(theirs, &meeting, 1)) };
        let (left, right) = within("bodies that wait for each other", both).await;
        // Each runs the other's body itself; unless one is done so soon that the other one, still waiting, has its value.
        assert!(matches!((left, right), (1, 1 | 2) | (2, 1)), "{left}, {right}");
        assert_eq!(meeting.runs(), 6 - left - right);
    }
}

//! What is stored, for how long, and what a late caller gets: each with every kind of return, under aliases too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::redis_cached;
use serde::{Deserialize, Serialize};
use tokio::task::yield_now;

use crate::{Runs, is_send};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Failure {
    Odd,
}

type Outcome<T> = Result<T, Failure>;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "values are passed by reference")]
fn is_even(value: &u64) -> bool {
    value.is_multiple_of(2)
}

#[expect(clippy::unnecessary_wraps, reason = "what the function returns")]
fn found(id: u64) -> Outcome<Option<u64>> {
    Ok(Some(id))
}

/// Calls a function twice with one argument, and returns how often its body ran.
macro_rules! runs_of_two {
    ($runs:ident, $call:expr) => {{
        let before = $runs.get();
        let _ = (is_send($call).await, is_send($call).await);
        $runs.get() - before
    }};
}

macro_rules! kinds {
    ($($name:ident: $key:literal, [$($argument:tt)*] $returned:ty, $wrap:expr;)*) => {$(
        mod $name {
            use super::*;

            pub(super) static RUNS: Runs = Runs::new();

            #[redis_cached(key = $key, entry = entry, $($argument)*)]
            pub(super) async fn get(id: u64) -> $returned {
                RUNS.count();
                yield_now().await;
                $wrap(id)
            }

            #[tokio::test]
            async fn only_what_passes_is_stored() {
                let even = runs_of_two!(RUNS, get(2));
                let odd = runs_of_two!(RUNS, get(3));
                assert_eq!((even, odd), (1, 2));
                assert!(entry(2).get().await.unwrap().is_some());
            }
        }
    )*};
}

kinds! {
    plain: "hooks:plain:<id>", [cache_if = is_even] u64, std::convert::identity;
    optional: "hooks:optional:<id>", [cache_if = |id| id % 2 == 0] Option<u64>, Some;
    fallible: "hooks:fallible:<id>", [cache_if = is_even, fail_open = false] Result<u64, cache_runtime::Error>, Ok;
    aliased: "hooks:aliased:<id>", [cache_if = |id: &u64| id.is_multiple_of(2), stale_if_error = 60] Outcome<Option<u64>>, found;
    detached: "hooks:detached:<id>", [cache_if = is_even, detach = true] Option<u64>, Some;
    stale: "hooks:stale:<id>", [cache_if = move |id| *id < 3, stale_while_revalidate = 60] Outcome<u64>, Ok;
    sheds: "hooks:sheds:<id>", [cache_if = is_even, shed = true] Result<u64, cache_runtime::Error>, Ok;
    late: "hooks:late:<id>", [cache_if = is_even, timeout = 5, fail_open = false] Result<u64, cache_runtime::Error>, Ok;
}

static KEPT: Runs = Runs::new();

#[redis_cached(key = "hooks:kept:<id>", none_ttl = 30, err_ttl = "30s")]
async fn kept(id: u64) -> Outcome<Option<String>> {
    KEPT.count();
    yield_now().await;
    match id {
        0 => Ok(None),
        1 => Err(Failure::Odd),
        _ => Ok(Some(id.to_string())),
    }
}

#[tokio::test]
async fn none_and_errors_are_stored_where_they_have_a_ttl() {
    for (id, expected) in [(0, Ok(None)), (1, Err(Failure::Odd)), (2, Ok(Some("2".to_owned())))] {
        assert_eq!(runs_of_two!(KEPT, kept(id)), 1);
        assert_eq!(kept(id).await, expected);
    }
}

static NONE: Runs = Runs::new();

#[redis_cached(key = "hooks:none:<id>", none_ttl = 30, detach = true)]
async fn none(id: u64) -> Option<u64> {
    NONE.count();
    id.checked_sub(1)
}

#[tokio::test]
async fn a_detached_body_may_return_a_none_that_is_stored() {
    for (id, expected) in [(0, None), (1, Some(0))] {
        assert_eq!(runs_of_two!(NONE, none(id)), 1);
        assert_eq!(none(id).await, expected);
    }
}

#[redis_cached(key = "hooks:ttl:<id>", jitter = 0, ttl = |seconds| Duration::from_secs(*seconds))]
async fn by_value(id: u64) -> Option<u64> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    yield_now().await;
    Some(id + RUNS.fetch_add(1, Ordering::SeqCst))
}

#[tokio::test]
async fn the_value_says_how_long_it_lives() {
    let first = is_send(by_value(60)).await;
    assert_eq!(by_value(60).await, first);
    assert_eq!(by_value_entry(60).get().await.unwrap(), first);
}

#[redis_cached(key = "hooks:endless:<id>", timeout = "5ms")]
async fn endless(id: u64) -> Result<u64, cache_runtime::Error> {
    std::future::pending::<()>().await;
    Ok(id)
}

#[tokio::test]
async fn a_late_caller_gets_its_own_error() {
    let error = is_send(endless(1)).await.unwrap_err();
    assert_eq!(error.kind(), cache_runtime::ErrorKind::Timeout);
}

/// An error that borrows, and one that is a type parameter, cannot be shared by callers; and need not be.
#[derive(Clone, Debug, PartialEq)]
struct Borrowed<'a>(&'a str);

#[redis_cached(key = "hooks:borrowed:<name>")]
async fn borrowed<'a>(name: &'a str) -> Result<u64, Borrowed<'a>> {
    yield_now().await;
    Err(Borrowed(name))
}

#[redis_cached(key = "hooks:elided:<name>", cache_if = is_even)]
async fn elided(name: &str) -> Result<u64, Borrowed<'_>> {
    yield_now().await;
    Err(Borrowed(name))
}

#[redis_cached(key = "hooks:parameter:<id>", stale_if_error = 60, skip(error))]
async fn parameter<E: Clone + Send + Sync>(error: E, id: u64) -> Result<u64, E> {
    yield_now().await;
    if id == 0 { Err(error) } else { Ok(id) }
}

#[tokio::test]
async fn errors_may_borrow() {
    let name = "n".to_owned();
    assert_eq!(is_send(borrowed(&name)).await, Err(Borrowed("n")));
    assert_eq!(is_send(elided(&name)).await, Err(Borrowed("n")));
    assert_eq!(is_send(parameter(name.as_str(), 0)).await, Err("n"));
    assert_eq!(is_send(parameter(name.as_str(), 1)).await, Ok(1));
}

//! `share_errors = true`: the callers that waited for a run which failed have its error too, also where that cannot be
//! cloned. All on virtual time, on memory or on a store that answers late.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cache_runtime::{Cache, ErrorKind, Memory, Outcome, redis_cached, report};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use support::{FailingStore, Mood, Origin, built};
use tokio::time::{advance, sleep};

fn memory() -> Cache {
    built(Cache::builder().memory(Memory::entries(100)))
}

/// Fails after a second.
async fn fails(origin: &Origin) -> Result<u64, String> {
    sleep(Duration::from_secs(1)).await;
    Err(format!("run {} failed", origin.run().await))
}

/// What became of so many calls at once.
async fn outcomes<T, F: Future<Output = T>>(count: usize, call: impl Fn() -> F) -> Vec<(T, Outcome)> {
    let answers = join_all((0..count).map(|_| report(call()))).await;
    answers.into_iter().map(|(answer, reported)| (answer, reported.calls()[0].outcome())).collect()
}

/// An error that cannot be cloned, with room for the cache's.
#[derive(Debug)]
enum Failure {
    Own(String),
    Cache(cache_runtime::Error),
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(text) => f.write_str(text),
            Self::Cache(error) => error.fmt(f),
        }
    }
}

impl From<cache_runtime::Error> for Failure {
    fn from(error: cache_runtime::Error) -> Self {
        Self::Cache(error)
    }
}

impl Failure {
    /// What the cache says of it; nothing for an error of the function's own run.
    fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Own(_) => None,
            Self::Cache(error) => Some(error.kind()),
        }
    }
}

/// While the circuit breaker is closed, a caller whose look fails does not join a run that began before it came.
async fn opens_the_breaker(look: impl AsyncFn() -> Result<(), cache_runtime::Error>) {
    for _ in 0..5 {
        look().await.expect_err("the store is away");
    }
}

/// One caller has the error of its own run, and all others have the same text from the cache.
fn are_of_one_run<T: fmt::Debug>(answers: Vec<(Result<T, Failure>, Outcome)>, text: &str, led: Outcome) {
    let all = answers.len();
    let (own, shared): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, outcome)| *outcome == led);
    assert_eq!((own.len(), shared.len()), (1, all - 1));
    for (answer, outcome) in own.into_iter().chain(shared) {
        let error = answer.expect_err("the origin fails");
        assert_eq!(error.to_string(), text);
        let kind = (outcome == Outcome::Coalesced).then_some(ErrorKind::Failed);
        assert_eq!(error.kind(), kind, "{outcome}");
    }
}

#[redis_cached(key = "anyhow", share_errors = true, skip(origin))]
async fn with_anyhow(origin: &Origin) -> anyhow::Result<u64> {
    fails(origin).await.map_err(anyhow::Error::msg).context("cannot load user 7")
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_with_an_error_of_anyhow_are_one_run_and_have_its_text_and_its_causes() {
    let (cache, origin) = (memory(), Origin::default());
    let answers = cache.scope(outcomes(100, || with_anyhow(&origin))).await;
    assert_eq!(origin.runs(), 1);
    let mut shared = 0;
    for (answer, outcome) in answers {
        let error = answer.expect_err("the origin fails");
        assert_eq!(format!("{error:#}"), "cannot load user 7: run 1 failed");
        let of_cache = error.downcast_ref::<cache_runtime::Error>().map(cache_runtime::Error::kind);
        assert_eq!(of_cache.is_some(), outcome == Outcome::Coalesced);
        shared += usize::from(of_cache == Some(ErrorKind::Failed));
    }
    assert_eq!(shared, 99);
    let later = cache.scope(with_anyhow(&origin)).await.expect_err("the origin fails");
    assert_eq!(later.root_cause().to_string(), "run 2 failed", "who comes later asks anew");
}

#[redis_cached(key = "own", share_errors = true, skip(origin))]
async fn own_error(origin: &Origin) -> Result<Option<u64>, Failure> {
    fails(origin).await.map(Some).map_err(Failure::Own)
}

/// Nothing is known of the error but what the argument needs.
#[redis_cached(key = "generic", share_errors = true, skip(origin, wrap))]
async fn generic<E>(origin: &Origin, wrap: fn(String) -> E) -> Result<u64, E>
where
    E: Display + From<cache_runtime::Error>,
{
    fails(origin).await.map_err(wrap)
}

#[redis_cached(key = "detached", share_errors = true, detach = true, skip(origin))]
async fn detached(origin: &Arc<Origin>) -> Result<u64, Failure> {
    fails(origin).await.map_err(Failure::Own)
}

#[redis_cached(key = "closed", share_errors = true, fail_open = false, skip(origin))]
async fn closed(origin: &Origin) -> Result<u64, Failure> {
    fails(origin).await.map_err(Failure::Own)
}

#[redis_cached(key = "late", share_errors = true, timeout = "2s", skip(origin, takes))]
async fn late(origin: &Arc<Origin>, takes: Duration) -> Result<u64, Failure> {
    sleep(takes).await;
    fails(origin).await.map_err(Failure::Own)
}

#[redis_cached(key = "many", share_errors = true, lock = true, cache_if = |id| *id > 0, skip(origin))]
async fn many_arguments(origin: &Origin) -> Result<u64, Failure> {
    fails(origin).await.map_err(Failure::Own)
}

#[tokio::test(start_paused = true)]
async fn errors_are_shared_whatever_else_the_function_says() {
    for late_by in [None, Some(Duration::from_millis(10))] {
        let cache = match late_by {
            None => memory(),
            Some(late_by) => {
                let store = FailingStore::default();
                store.is(Mood::Slow(late_by));
                built(Cache::builder().store(store))
            }
        };
        let origin = Arc::new(Origin::default());
        let calls = async {
            are_of_one_run(outcomes(20, || own_error(&origin)).await, "run 1 failed", Outcome::Miss);
            are_of_one_run(outcomes(20, || generic(&origin, Failure::Own)).await, "run 2 failed", Outcome::Miss);
            are_of_one_run(outcomes(20, || detached(&origin)).await, "run 3 failed", Outcome::Miss);
            are_of_one_run(outcomes(20, || closed(&origin)).await, "run 4 failed", Outcome::Miss);
            are_of_one_run(outcomes(20, || late(&origin, Duration::ZERO)).await, "run 5 failed", Outcome::Miss);
            are_of_one_run(outcomes(20, || many_arguments(&origin)).await, "run 6 failed", Outcome::Miss);
        };
        cache.scope(calls).await;
        assert_eq!(origin.runs(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_store_errors_are_shared_where_the_function_does_without_it() {
    let (store, origin) = (FailingStore::default(), Origin::default());
    let cache = built(Cache::builder().store(store.clone()));
    store.is(Mood::Away);
    let calls = async {
        opens_the_breaker(async || own_error_entry().get().await.map(drop)).await;
        are_of_one_run(outcomes(20, || own_error(&origin)).await, "run 1 failed", Outcome::Degraded);
        for (answer, outcome) in outcomes(20, || closed(&origin)).await {
            let kind = answer.expect_err("the store is away").kind().expect("it is the cache's error");
            assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::BreakerOpen), "{kind:?}");
            assert_eq!(outcome, Outcome::Refused);
        }
    };
    cache.scope(calls).await;
    assert_eq!(origin.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_whose_time_is_up_have_that_error_and_not_the_later_one_of_the_run() {
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    for (answer, outcome) in cache.scope(outcomes(20, || late(&origin, Duration::from_secs(5)))).await {
        let kind = answer.expect_err("it is late").kind();
        assert_eq!((kind, outcome), (Some(ErrorKind::Timeout), Outcome::TimedOut));
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Cloned(String);

/// Neither `Display` nor `From`: clones are shared, and always were.
#[redis_cached(key = "cloned", share_errors = true, skip(origin))]
async fn cloned(origin: &Origin) -> Result<u64, Cloned> {
    fails(origin).await.map_err(Cloned)
}

#[tokio::test(start_paused = true)]
async fn an_error_that_can_be_cloned_is_shared_as_it_is() {
    let (cache, origin) = (memory(), Origin::default());
    let answers = cache.scope(join_all((0..20).map(|_| cloned(&origin)))).await;
    assert_eq!(answers, vec![Err(Cloned("run 1 failed".to_owned())); 20]);
}

/// An error that can be stored and not cloned.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept(String);

impl Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<cache_runtime::Error> for Kept {
    fn from(error: cache_runtime::Error) -> Self {
        Self(format!("shared: {error}"))
    }
}

#[redis_cached(key = "kept", share_errors = true, err_ttl = 10, skip(origin))]
async fn kept(origin: &Origin) -> Result<u64, Kept> {
    fails(origin).await.map_err(Kept)
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_stored_is_read_by_those_who_wait() {
    let (store, origin) = (FailingStore::default(), Origin::default());
    let cache = built(Cache::builder().store(store.clone()));
    let call = || cache.scope(join_all((0..20).map(|_| kept(&origin))));
    let first = || Err(Kept("run 1 failed".to_owned()));
    assert_eq!(call().await, (0..20).map(|_| first()).collect::<Vec<_>>());
    assert_eq!(call().await, (0..20).map(|_| first()).collect::<Vec<_>>(), "it is stored");
    // Without the store there is nothing to read.
    store.is(Mood::Away);
    cache.scope(async { opens_the_breaker(async || kept_entry().get().await.map(drop)).await }).await;
    let mut answers = call().await;
    answers.sort_by_key(|answer| answer.as_ref().err().map(|error| error.0.clone()));
    let mut expected = vec![Err(Kept("run 2 failed".to_owned()))];
    expected.extend((1..20).map(|_| Err(Kept("shared: run 2 failed".to_owned()))));
    assert_eq!(answers, expected);
}

/// Succeeds once.
#[redis_cached(key = "old:<windows>", ttl = 60, jitter = 0, stale_if_error = "1h", share_errors = true, skip(origin))]
async fn has_old(origin: &Origin, windows: u64) -> Result<u64, Failure> {
    if origin.runs() == 0 {
        return Ok(origin.run().await + windows);
    }
    fails(origin).await.map_err(Failure::Own)
}

#[redis_cached(key = "refreshed", ttl = 60, jitter = 0, stale_while_revalidate = 60, share_errors = true, skip(origin))]
async fn refreshed(origin: &Arc<Origin>) -> Result<u64, Failure> {
    if origin.runs() == 0 {
        return Ok(origin.run().await);
    }
    fails(origin).await.map_err(Failure::Own)
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_better_than_an_error_and_past_its_window_the_error_is_shared() {
    let (cache, origin) = (memory(), Origin::default());
    let call = || cache.scope(outcomes(20, || has_old(&origin, 0)));
    assert_eq!(cache.scope(has_old(&origin, 0)).await.expect("the first run succeeds"), 1);
    advance(Duration::from_secs(61)).await;
    for (answer, outcome) in call().await {
        assert_eq!((answer.expect("there is an old value"), outcome), (1, Outcome::Stale));
    }
    assert_eq!(origin.runs(), 2);
    advance(Duration::from_secs(2 * 60 * 60)).await;
    are_of_one_run(call().await, "run 3 failed", Outcome::Miss);

    let origin = Arc::new(Origin::default());
    let call = || cache.scope(outcomes(20, || refreshed(&origin)));
    assert_eq!(cache.scope(refreshed(&origin)).await.expect("the first run succeeds"), 1);
    advance(Duration::from_secs(61)).await;
    for (answer, outcome) in call().await {
        assert_eq!((answer.expect("there is an old value"), outcome), (1, Outcome::Stale));
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(origin.runs(), 2, "the refresh has ended");
    advance(Duration::from_secs(61)).await;
    are_of_one_run(call().await, "run 3 failed", Outcome::Miss);
}

#[redis_cached(key = "panics", share_errors = true, skip(origin))]
async fn panics_first(origin: &Origin) -> Result<u64, Failure> {
    if origin.runs() == 0 {
        sleep(Duration::from_secs(1)).await;
        let run = origin.run().await;
        panic!("run {run} panics");
    }
    fails(origin).await.map_err(Failure::Own)
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_nobodys_error() {
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    let call = || {
        let origin = Arc::clone(&origin);
        tokio::spawn(cache.scope(async move { panics_first(&origin).await }))
    };
    let answers = join_all((0..3).map(|_| call())).await;
    let panics = answers.iter().filter(|answer| answer.is_err()).count();
    let mut texts: Vec<_> =
        answers.into_iter().flatten().map(|answer| answer.expect_err("it fails").to_string()).collect();
    texts.sort_unstable();
    assert_eq!((panics, texts), (1, vec!["run 2 failed".to_owned(), "run 3 failed".to_owned()]));
}

/// Two functions with one key, whose errors are shared in two ways.
#[redis_cached(key = "two-ways", shared = true, share_errors = true, skip(origin))]
async fn one_way(origin: &Origin) -> Result<u64, Failure> {
    fails(origin).await.map_err(Failure::Own)
}

#[redis_cached(key = "two-ways", shared = true, skip(origin))]
async fn other_way(origin: &Origin) -> Result<u64, Cloned> {
    fails(origin).await.map_err(Cloned)
}

#[tokio::test(start_paused = true)]
async fn an_error_of_another_function_is_not_taken_for_an_own_one() {
    let (cache, origin) = (memory(), Origin::default());
    let calls = cache.scope(async { tokio::join!(one_way(&origin), other_way(&origin), one_way(&origin)) });
    let (first, second, third) = calls.await;
    assert_eq!(first.expect_err("it fails").to_string(), "run 1 failed");
    assert_eq!(second, Err(Cloned("run 2 failed".to_owned())), "its error is that of its own run");
    assert_eq!(third.expect_err("it fails").to_string(), "run 1 failed");
}

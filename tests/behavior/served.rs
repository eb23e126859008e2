//! A function's value is served from the cache, whatever the function looks like, and its errors are not.

use cache_runtime::{Cache, Outcome, redis_cached, report};
use serde::{Deserialize, Serialize};
use support::{Origin, Stage, on_every_store};

on_every_store!(
    a_value_is_loaded_once_and_then_hit,
    a_hundred_callers_at_once_are_one_run,
    different_arguments_have_different_entries,
    an_error_reaches_every_caller_and_is_not_cached,
    none_is_not_cached_and_some_is,
    a_plain_value_is_cached,
    a_method_is_cached_under_its_field,
    an_entry_reads_writes_and_removes_what_the_function_caches,
);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct User {
    id: u64,
    loaded_as: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct NoUser;

#[redis_cached(key = "user:<id>:v1", ttl = 600, lock = true, cache = cache, skip(cache, origin))]
async fn user(cache: &Cache, origin: &Origin, id: u64) -> Result<User, NoUser> {
    let loaded_as = origin.run().await;
    if id == 0 { Err(NoUser) } else { Ok(User { id, loaded_as }) }
}

async fn a_value_is_loaded_once_and_then_hit(stage: Stage) {
    let origin = Origin::default();
    let (first, reported) = report(user(&stage.cache, &origin, 7)).await;
    assert_eq!(first, Ok(User { id: 7, loaded_as: 1 }));
    assert_eq!(reported.calls().len(), 1);
    let call = &reported.calls()[0];
    assert_eq!((call.outcome(), call.key(), call.function()), (Outcome::Miss, "user:7:v1", "user"));

    let (second, reported) = report(user(&stage.cache, &origin, 7)).await;
    assert_eq!(second, first);
    assert_eq!(reported.calls()[0].outcome(), Outcome::Hit);
    assert_eq!(origin.runs(), 1);
}

async fn a_hundred_callers_at_once_are_one_run(stage: Stage) {
    let origin = Origin::held();
    let callers = futures_util::future::join_all((0..100).map(|_| report(user(&stage.cache, &origin, 7))));
    let (answers, ()) = tokio::join!(callers, async {
        origin.has_begun(1).await;
        origin.let_go();
    });
    assert_eq!(origin.runs(), 1);
    assert!(answers.iter().all(|(user, _)| *user == Ok(User { id: 7, loaded_as: 1 })));
    let led = answers.iter().filter(|(_, reported)| reported.calls()[0].outcome() == Outcome::Miss).count();
    assert_eq!(led, 1);
}

async fn different_arguments_have_different_entries(stage: Stage) {
    let origin = Origin::default();
    for (id, run) in [(1, 1), (2, 2), (1, 1), (11, 3), (2, 2)] {
        assert_eq!(user(&stage.cache, &origin, id).await, Ok(User { id, loaded_as: run }));
    }
}

async fn an_error_reaches_every_caller_and_is_not_cached(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(user(&stage.cache, &origin, 0).await, Err(NoUser));
    assert_eq!(user(&stage.cache, &origin, 0).await, Err(NoUser));
    assert_eq!(origin.runs(), 2);

    let answers = futures_util::future::join_all((0..10).map(|_| user(&stage.cache, &origin, 0))).await;
    assert!(answers.iter().all(|answer| *answer == Err(NoUser)));
}

#[redis_cached(key = "maybe:<id>", cache = cache, skip(cache, origin))]
async fn maybe(cache: &Cache, origin: &Origin, id: u64) -> Option<u64> {
    let run = origin.run().await;
    (id > 0).then_some(run)
}

async fn none_is_not_cached_and_some_is(stage: Stage) {
    let origin = Origin::default();
    assert_eq!(maybe(&stage.cache, &origin, 0).await, None);
    assert_eq!(maybe(&stage.cache, &origin, 0).await, None);
    assert_eq!(origin.runs(), 2);
    assert_eq!(maybe(&stage.cache, &origin, 1).await, Some(3));
    assert_eq!(maybe(&stage.cache, &origin, 1).await, Some(3));
}

#[redis_cached(key = "plain:<name>", cache = cache, skip(cache, origin))]
async fn plain(cache: &Cache, origin: &Origin, name: &str) -> String {
    format!("{name} {}", origin.run().await)
}

async fn a_plain_value_is_cached(stage: Stage) {
    let origin = Origin::default();
    for _ in 0..2 {
        assert_eq!(plain(&stage.cache, &origin, "a:b").await, "a:b 1");
    }
    assert_eq!(plain(&stage.cache, &origin, "a%3Ab").await, "a%3Ab 2", "an escaped text is another text");
}

struct Tenant {
    cache: Cache,
    name: String,
    origin: Origin,
}

impl Tenant {
    #[redis_cached(key = "<self.name>:limit:<of>", cache = &self.cache)]
    async fn limit(&self, of: &str) -> Result<u64, NoUser> {
        assert!(!of.is_empty());
        Ok(self.origin.run().await)
    }
}

async fn a_method_is_cached_under_its_field(stage: Stage) {
    let tenant = |name: &str| Tenant { cache: stage.cache.clone(), name: name.to_owned(), origin: Origin::default() };
    let (ours, theirs) = (tenant("ours"), tenant("theirs"));
    for _ in 0..2 {
        assert_eq!(ours.limit("seats").await, Ok(1));
        assert_eq!(theirs.limit("seats").await, Ok(1));
    }
    ours.limit_entry("seats").invalidate().await.expect("the store is up");
    assert_eq!(ours.limit("seats").await, Ok(2));
    assert_eq!(theirs.limit("seats").await, Ok(1), "another tenant's entry is another entry");
}

async fn an_entry_reads_writes_and_removes_what_the_function_caches(stage: Stage) {
    let origin = Origin::default();
    let entry = user_entry(&stage.cache, 7);
    assert_eq!(entry.key(), "user:7:v1");
    assert_eq!(entry.get().await.expect("the store is up"), None);

    let ours = User { id: 7, loaded_as: 99 };
    entry.put(&ours).await.expect("the store is up");
    assert_eq!(user(&stage.cache, &origin, 7).await, Ok(ours.clone()));
    assert_eq!(entry.get().await.expect("the store is up"), Some(ours));

    entry.invalidate().await.expect("the store is up");
    assert_eq!(entry.get().await.expect("the store is up"), None);
    assert_eq!(user(&stage.cache, &origin, 7).await, Ok(User { id: 7, loaded_as: 1 }));
}

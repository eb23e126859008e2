//! Reads fail open, in bounded time; invalidations fail loudly. Each test breaks Redis in one way.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind, Outcome, redis_cached, refresh, report};
use support::{Event, Events, FailingStore, Mood, Origin, RedisServer, built};
use tracing::Level;

/// The deadline of the caches here.
const DEADLINE: Duration = Duration::from_millis(200);

/// The deadline with room for a busy machine, and below what connecting alone may take.
const BOUND: Duration = Duration::from_millis(1_500);

fn cache_at(url: &str) -> Cache {
    built(Cache::builder().redis_url(url).deadline(DEADLINE))
}

// It would wait for another caller longer than a test waits for anything: no wait can pass for a run of its own.
#[redis_cached(key = "answer:<id>", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> Result<u64, String> {
    assert!(id < 100);
    Ok(origin.run().await)
}

/// Calls the function on a broken Redis: the body's own result comes, in time, and an event says why. Returns all that
/// was said.
async fn answers_in_spite_of_it(cache: &Cache) -> Vec<Event> {
    let (events, origin) = (Events::capture(), Origin::default());
    let begun = Instant::now();
    let (answer, reported) = report(answer(cache, &origin, 7)).await;
    assert_eq!(answer, Ok(1));
    assert!(begun.elapsed() < BOUND, "it took {:?}", begun.elapsed());
    assert_eq!(reported.calls()[0].outcome(), Outcome::Degraded);
    assert!(!events.at_least(Level::WARN).is_empty(), "nobody is told: {:?}", events.all());
    events.all()
}

#[tokio::test]
async fn a_server_that_refuses_connections() {
    let mut server = RedisServer::start().await;
    server.kill();
    answers_in_spite_of_it(&cache_at(&server.url())).await;
}

#[tokio::test]
async fn a_server_that_dies_under_the_connection_and_comes_back() {
    let mut server = RedisServer::start().await;
    let (cache, origin) = (cache_at(&server.url()), Origin::default());
    assert_eq!(answer(&cache, &origin, 1).await, Ok(1));
    server.kill();
    answers_in_spite_of_it(&cache).await;

    server.restart().await;
    let back = async {
        while report(answer(&cache, &origin, 1)).await.1.calls()[0].outcome() != Outcome::Hit {
            tokio::task::yield_now().await;
        }
    };
    support::within("a hit on the server that came back", back).await;
}

#[tokio::test]
async fn a_server_that_hangs() {
    let server = RedisServer::start().await;
    let (cache, origin) = (cache_at(&server.url()), Origin::default());
    assert_eq!(answer(&cache, &origin, 1).await, Ok(1));
    server.pause();
    answers_in_spite_of_it(&cache).await;
    let again = Instant::now();
    assert_eq!(answer(&cache, &origin, 1).await, Ok(2));
    assert!(again.elapsed() < BOUND, "it took {:?}", again.elapsed());
    server.resume();
}

#[tokio::test]
async fn a_server_that_hangs_from_the_start() {
    let server = RedisServer::start().await;
    server.pause();
    answers_in_spite_of_it(&cache_at(&server.url())).await;
}

#[tokio::test]
async fn another_type_at_the_key() {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    let _: u64 = redis::cmd("RPUSH").arg("answer:7").arg("x").query_async(&mut client).await.expect("the server is up");
    let cache = cache_at(&server.url());
    answers_in_spite_of_it(&cache).await;

    answer_entry(&cache, 7).invalidate().await.expect("any type can be removed");
    let origin = Origin::default();
    assert_eq!(answer(&cache, &origin, 7).await, Ok(1));
    assert_eq!(answer(&cache, &origin, 7).await, Ok(1));
}

#[tokio::test]
async fn a_server_out_of_memory() {
    let server = RedisServer::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    answers_in_spite_of_it(&cache_at(&server.url())).await;
}

#[tokio::test]
async fn a_server_that_runs_out_of_memory_before_the_value_is_stored() {
    let server = RedisServer::start().await;
    let (cache, origin) = (cache_at(&server.url()), Origin::held());
    let mut client = server.client().await;
    let (answered, ()) = tokio::join!(answer(&cache, &origin, 7), async {
        origin.has_begun(1).await;
        let _: () =
            redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query_async(&mut client).await.expect("so set");
        origin.let_go();
    });
    assert_eq!(answered, Ok(1), "a failed write never turns Ok into Err");
}

#[tokio::test]
async fn a_read_only_replica() {
    // Of a primary that is not there: it answers reads with what it has, and refuses writes.
    let server = RedisServer::start_with(&["--replicaof", "127.0.0.1", "1"]).await;
    answers_in_spite_of_it(&cache_at(&server.url())).await;
}

#[tokio::test]
async fn a_wrong_password_that_no_text_shows() {
    let server = RedisServer::start_with(&["--requirepass", "right"]).await;
    let cache = cache_at(&format!("redis://:wr0ng-secret@127.0.0.1:{}/", server.port()));
    let events = answers_in_spite_of_it(&cache).await;
    let error = answer_entry(&cache, 7).invalidate().await.expect_err("the server refuses it");
    assert!(!format!("{error} {error:?} {events:?}").contains("wr0ng-secret"));
}

#[tokio::test]
async fn callers_of_a_dead_server_are_still_one_run() {
    let mut server = RedisServer::start().await;
    server.kill();
    let (cache, origin) = (cache_at(&server.url()), Origin::held());
    let callers = futures_util::future::join_all((0..100).map(|_| answer(&cache, &origin, 7)));
    let (answers, ()) = tokio::join!(callers, async {
        origin.has_begun(1).await;
        origin.let_go();
    });
    assert_eq!(origin.runs(), 1);
    assert!(answers.iter().all(|answer| *answer == Ok(1)));
}

#[tokio::test]
async fn an_invalidation_without_redis_still_ends_the_runs_of_its_own_process() {
    let mut server = RedisServer::start().await;
    server.kill();
    let (cache, origin) = (cache_at(&server.url()), Origin::held());
    let (before, after) = tokio::join!(answer(&cache, &origin, 7), async {
        origin.has_begun(1).await;
        answer_entry(&cache, 7).invalidate().await.expect_err("nobody listens");
        let (after, ()) = tokio::join!(answer(&cache, &origin, 7), async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        after
    });
    assert_eq!((before, after), (Ok(1), Ok(2)));
}

#[tokio::test]
async fn an_invalidation_says_what_went_wrong() {
    let mut server = RedisServer::start().await;
    let cache = cache_at(&server.url());
    answer_entry(&cache, 7).invalidate().await.expect("the server is up");

    server.pause();
    let error = answer_entry(&cache, 7).invalidate().await.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    server.resume();

    server.kill();
    let fresh = cache_at(&server.url());
    let error = answer_entry(&fresh, 7).invalidate().await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[derive(Debug)]
struct Failed(ErrorKind);

impl From<cache_runtime::Error> for Failed {
    fn from(error: cache_runtime::Error) -> Self {
        Self(error.kind())
    }
}

#[redis_cached(key = "strict", ttl = 600, fail_open = false, cache = cache, skip(cache, origin))]
async fn strict(cache: &Cache, origin: &Origin) -> Result<u64, Failed> {
    Ok(origin.run().await)
}

#[tokio::test]
async fn a_function_that_does_not_fail_open_has_the_caches_error() {
    let mut server = RedisServer::start().await;
    let (cache, origin) = (cache_at(&server.url()), Origin::default());
    assert_eq!(strict(&cache, &origin).await.expect("the server is up"), 1);
    server.kill();
    let fresh = cache_at(&server.url());
    let (failed, report) = report(strict(&fresh, &origin)).await;
    let Failed(kind) = failed.expect_err("the server is gone");
    assert_eq!((kind, report.calls()[0].outcome()), (ErrorKind::Unavailable, Outcome::Refused));
    assert_eq!(origin.runs(), 1, "the body does not run");
}

#[redis_cached(key = "strict-locked", ttl = 600, lock(wait = "60s"), fail_open = false, cache = cache, skip(cache, origin))]
async fn strict_and_locked(cache: &Cache, origin: &Origin) -> Result<u64, Failed> {
    Ok(origin.run().await)
}

#[tokio::test]
async fn a_function_that_does_not_fail_open_has_the_caches_error_also_while_it_waits() {
    let mut server = RedisServer::start().await;
    let (theirs, ours) = (cache_at(&server.url()), cache_at(&server.url()));
    let (their_origin, our_origin) = (Origin::held(), Origin::default());
    let (their_answer, ()) = tokio::join!(strict_and_locked(&theirs, &their_origin), async {
        their_origin.has_begun(1).await;
        let mut traffic = server.traffic().await;
        let (our_answer, ()) = tokio::join!(strict_and_locked(&ours, &our_origin), async {
            // A look, and one more that registers for the value.
            traffic.until("get", 2).await;
            server.kill();
        });
        let Failed(kind) = our_answer.expect_err("the server is gone");
        assert_eq!((kind, our_origin.runs()), (ErrorKind::Unavailable, 0));
        their_origin.let_go();
    });
    assert_eq!(their_answer.expect("it ran"), 1);
}

#[redis_cached(key = "nothing", ttl = 600, cache = cache, skip(cache, origin, answer))]
async fn nothing(cache: &Cache, origin: &Origin, answer: Result<Option<u64>, String>) -> Result<Option<u64>, String> {
    origin.run().await;
    answer
}

/// What a run came to at whose end the store was away, and the steps that are said to have failed.
async fn steps_that_failed<F: Future>(store: &FailingStore, origin: &Origin, run: F) -> (F::Output, Vec<String>) {
    let events = Events::capture();
    let (answer, ()) = tokio::join!(run, async {
        origin.has_begun(1).await;
        store.is(Mood::Away);
        origin.let_go();
    });
    let said = events.at_least(Level::WARN).into_iter();
    (answer, said.map(|event| event.field("step").unwrap_or_default().to_owned()).collect())
}

// It is tried once more without the caller.
#[tokio::test]
async fn a_lease_that_cannot_be_given_back_is_an_event() {
    let (store, origin) = (FailingStore::default(), Origin::held());
    let cache = built(Cache::builder().store(store.clone()));
    let (answer, steps) = steps_that_failed(&store, &origin, nothing(&cache, &origin, Err("no".to_owned()))).await;
    assert_eq!(answer, Err("no".to_owned()));
    assert_eq!(steps, ["release", "release"]);
}

#[tokio::test]
async fn a_value_that_is_none_any_more_and_cannot_be_removed_is_an_event() {
    let (store, origin) = (FailingStore::default(), Origin::held());
    let cache = built(Cache::builder().store(store.clone()));
    nothing(&cache, &Origin::default(), Ok(Some(1))).await.expect("it is well");
    let (answer, steps) = steps_that_failed(&store, &origin, refresh(nothing(&cache, &origin, Ok(None)))).await;
    assert_eq!(answer, Ok(None));
    assert_eq!(steps, ["remove", "release"]);
}

#[tokio::test]
async fn a_cache_is_built_while_redis_is_down_and_uses_it_when_it_comes() {
    let mut server = RedisServer::start().await;
    server.kill();
    let (cache, origin) = (cache_at(&server.url()), Origin::default());
    assert_eq!(answer(&cache, &origin, 7).await, Ok(1));

    server.restart().await;
    let used = async {
        while report(answer(&cache, &origin, 7)).await.1.calls()[0].outcome() != Outcome::Hit {
            tokio::task::yield_now().await;
        }
    };
    support::within("a hit on the server that came", used).await;
}

#[test]
fn a_malformed_configuration_fails_in_build_and_shows_no_password() {
    for url in ["redis//:s3cret@localhost", "redis://:s3cret@:port/", "http://u:s3cret@localhost/"] {
        let error = Cache::builder().redis_url(url).build().expect_err("the URL is malformed");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

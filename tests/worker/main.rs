//! A second process for the tests that need one: it says `ready`, waits for `go`, plays its scenario, says what came out.

mod zipf;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::time::Duration;

use cache_runtime::{Cache, Memory, Report, redis_cached, report};
use futures_util::future::join_all;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use support::{Events, PATIENCE};
use tracing::Level;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (Some("--scenario"), Some(scenario)) = (args.next().as_deref(), args.next()) else {
        panic!("usage: worker --scenario <name> <what it takes>")
    };
    let takes: Vec<_> = args.collect();
    say("ready");
    assert_eq!(hear(), "go", "the first line told");
    match scenario.as_str() {
        "echo" => say(&hear()),
        "callers" => say(&outcomes(&join_all((0..number(&takes[0])).map(|_| report(held(7)))).await)),
        "patient-callers" => {
            let cache = Cache::builder().redis_url(redis_url()).deadline(PATIENCE).build();
            cache.and_then(Cache::install).expect("the URL is well formed, and nothing is installed yet");
            say(&outcomes(&join_all((0..number(&takes[0])).map(|_| report(patient(7)))).await));
        }
        "one-caller-short-lease" => say(&short_lease(7).await.to_string()),
        "one-caller-default-lease" => say(&default_lease(7).await.to_string()),
        "zipf" => say(&zipf::play(&takes, redis_url()).await),
        "nothing-installed" => say(&outcomes(&join_all([report(counted(7))]).await)),
        "environment" => environment().await,
        "cryptography" => cryptography(&takes[0]),
        "installed-with-prefix" => {
            let cache = Cache::builder().redis_url(redis_url()).prefix("prod").build().expect("the URL is well formed");
            cache.install().expect("nothing is installed yet");
            say(&outcomes(&join_all([report(counted(7))]).await));
        }
        "scoped" => scoped().await,
        "installed-for-tests" => installed_for_tests().await,
        "clock-ahead" => {
            cache_runtime::test_util::set_wall_clock_ahead(Duration::from_secs(5 * 60 * 60));
            // Before anything else: nobody has told this process what time it is.
            timed_entry(3).put(&3).await.expect("the server is up");
            for id in [1, 2] {
                say(&outcomes(&join_all([report(timed(id))]).await));
            }
        }
        "clock-ahead-in-a-cluster" => {
            cache_runtime::test_util::set_wall_clock_ahead(Duration::from_secs(5 * 60 * 60));
            let cache = Cache::builder().redis_cluster([redis_url()]).build();
            cache.and_then(Cache::install).expect("the URL is well formed, and nothing is installed yet");
            for id in 0..10 {
                if id % 2 == 0 {
                    timed_entry(id).put(&id).await.expect("the nodes are up");
                }
                say(&outcomes(&join_all([report(timed(id))]).await));
            }
        }
        other => panic!("unknown scenario `{other}`"),
    }
}

/// What becomes of the `REDIS_URL` of this process: the outcomes of two functions that are called twice each, `health()`,
/// the error events, and what a builder makes of it that asks for it.
async fn environment() {
    let events = Events::capture();
    let calls = [report(counted(7)).await, report(counted(7)).await, report(timed(7)).await, report(timed(7)).await];
    say(&outcomes(&calls));
    say(&Cache::current().health().to_string());
    let errors = events.at_least(Level::ERROR);
    let errors = errors.iter().map(|event| {
        let said = ["why", "error"].into_iter().find_map(|name| event.field(name)).unwrap_or_default();
        format!("{}: {} ({said})", event.field("function").unwrap_or("the process"), event.message)
    });
    say(&errors.collect::<Vec<_>>().join(" | "));
    let built = Cache::builder().from_env().build();
    say(&built.map_or_else(|error| error.to_string(), |cache| cache.health().to_string()));
}

/// How many cipher suites this process has once a cache over TLS is built: those of a provider with a single one that the
/// program installed (`own`), or those that the cache brings.
fn cryptography(whose: &str) {
    if whose == "own" {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.truncate(1);
        provider.install_default().expect("nothing is installed yet");
    }
    Cache::builder().redis_url("rediss://localhost/").build().expect("the URL is well formed");
    let installed = rustls::crypto::CryptoProvider::get_default();
    say(&installed.map_or(0, |provider| provider.cipher_suites.len()).to_string());
}

/// Calls of each kind in the scope of a cache, in a process that has none.
async fn scoped() {
    let cache = Cache::builder().memory(Memory::entries(10)).build().expect("nothing is wrong with it");
    let calls = cache.scope(async {
        counted_entry(1).invalidate().await.expect("memory does not fail");
        join_all([report(counted(7))]).await
    });
    let mut answers = calls.await;
    answers.push(report(cache.scope(counted(7))).await);
    // The futures of these are made outside of the scope.
    for _ in 0..2 {
        answers.push(cache.scope(report(boxed(7))).await);
    }
    answers.push(cache.scope(async { report(Cache::current().scope(counted(7))).await }).await);
    say(&outcomes(&answers));
    say(if cache.install().is_ok() { "installed" } else { "somebody has made a cache" });
}

/// Installs caches one after the other, and says which one calls use.
async fn installed_for_tests() {
    let named = |prefix: &str| {
        let cache = Cache::builder().memory(Memory::entries(10)).prefix(prefix).build();
        cache.expect("nothing is wrong with it")
    };
    let call = || async {
        let (_, reported) = report(counted(7)).await;
        say(&told(&reported));
    };
    named("first").install_for_tests();
    call().await;
    call().await;
    named("second").install_for_tests();
    call().await;
    named("scope").scope(call()).await;
    say(&named("refused")
        .install()
        .map_or_else(|error| format!("{:?}", error.kind()), |_| String::new())
        .to_lowercase());
    let (going_on, go_on) = tokio::sync::oneshot::channel();
    let slow = tokio::spawn(report(slow(go_on)));
    tokio::task::yield_now().await;
    named("third").install_for_tests();
    call().await;
    going_on.send(()).expect("the call waits");
    say(&told(&slow.await.expect("it does not panic").1));
}

/// The key and the outcome of the one call.
fn told(reported: &Report) -> String {
    let call = &reported.calls()[0];
    format!("{} {}", call.key(), call.outcome())
}

#[redis_cached(key = "slow", skip(go_on))]
async fn slow(go_on: tokio::sync::oneshot::Receiver<()>) -> u64 {
    go_on.await.map_or(0, |()| 1)
}

#[redis_cached(key = "boxed:<id>")]
fn boxed(id: u64) -> Pin<Box<dyn Future<Output = u64>>> {
    Box::pin(async move { id })
}

fn number(text: &str) -> u64 {
    text.parse().expect("the scenario takes a number")
}

fn redis_url() -> String {
    std::env::var("REDIS_URL").expect("the scenario needs a server")
}

#[redis_cached(key = "held:<id>", ttl = 600, lock = true)]
async fn held(id: u64) -> u64 {
    held_run().await + id
}

/// On a machine that does other things besides: nothing of it is a matter of time.
#[redis_cached(key = "held:<id>", ttl = 600, lock(wait = "60s", lease = "60s"))]
async fn patient(id: u64) -> u64 {
    held_run().await + id
}

/// Who waits for it waits longer than a test does: only the end of the lease can be what lets it go.
#[redis_cached(key = "held:<id>", ttl = 600, lock(wait = "60s"))]
async fn default_lease(id: u64) -> u64 {
    held_run().await + id
}

#[redis_cached(key = "held:<id>", ttl = 600, lock(wait = "60s", lease = "200ms"))]
async fn short_lease(id: u64) -> u64 {
    held_run().await + id
}

/// A run that every process counts at the same place, and that ends when the test says so.
async fn held_run() -> u64 {
    let mut connection = patient_connection(redis_url()).await;
    let run: u64 = redis::cmd("INCR").arg("test:runs").query_async(&mut connection).await.expect("the server is up");
    let _: (String, String) =
        redis::cmd("BLPOP").arg("test:let-go").arg(60).query_async(&mut connection).await.expect("the test lets go");
    run * 100
}

/// A connection that waits for its answers however long they take: the client's default is half a second, which a paused
/// process and a busy machine are late by.
async fn patient_connection(url: String) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("the URL is well formed");
    let patient = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&patient).await.expect("the server is up")
}

#[redis_cached(key = "counted:<id>")]
async fn counted(id: u64) -> u64 {
    id
}

#[redis_cached(key = "clock:<id>", ttl = 600, jitter = 0.0, stale_while_revalidate = 600)]
async fn timed(id: u64) -> u64 {
    id
}

/// `7 hit:1 miss:1`: the values, each once, and how often each outcome came.
fn outcomes(answers: &[(u64, Report)]) -> String {
    let mut values: Vec<_> = answers.iter().map(|(value, _)| value.to_string()).collect();
    values.sort_unstable();
    values.dedup();
    let mut outcomes = BTreeMap::<String, u32>::new();
    for call in answers.iter().flat_map(|(_, reported)| reported.calls()) {
        *outcomes.entry(call.outcome().to_string()).or_default() += 1;
    }
    values.extend(outcomes.iter().map(|(outcome, count)| format!("{outcome}:{count}")));
    values.join(" ")
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the test listens");
}

fn hear() -> String {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("the test speaks text");
    line.trim_end().to_owned()
}

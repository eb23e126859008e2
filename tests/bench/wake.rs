//! How long after the end of a run in one cache a caller in another one has the value, woken by a push and polling, and
//! what such a wait costs the server; then what it costs to keep the leases of long runs.
//!
//! The time includes the commit's own way to the server, and decoding: it is what a caller sees. Runs last from 50 to 300
//! ms, so that one who polls has reached its longest pause in most of them.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Outcome, redis_cached, report};
use futures_util::future::join_all;
use support::{Commands, RedisServer, built, cache_on};
use tokio::sync::oneshot;

/// Waits measured for each way of being woken.
const WAITS: u64 = 200;

/// Waits at a time: enough to be done soon, few enough to leave the machine idle.
const AT_ONCE: u64 = 4;

/// Long runs at a time, and how long they are.
const LONG_RUNS: u64 = 50;
const LONG: Duration = Duration::from_millis(5_500);

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A value that says when its run was over: nanoseconds since the beginning.
#[redis_cached(key = "loaded:<way>:<id>", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, begun, lasts))]
async fn loaded(cache: &Cache, way: &str, id: u64, begun: Option<oneshot::Sender<()>>, lasts: Duration) -> u64 {
    begun.map(|begun| begun.send(()));
    tokio::time::sleep(lasts).await;
    nanoseconds()
}

fn nanoseconds() -> u64 {
    u64::try_from(BEGINNING.elapsed().as_nanos()).expect("a benchmark ends in time")
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = RedisServer::start().await;
    let ours = cache_on(&server);
    let user = ["SETUSER", "untracked", "on", ">secret", "~*", "+@all", "-client|tracking"];
    let made: redis::RedisResult<()> = redis::cmd("ACL").arg(&user).query_async(&mut server.client().await).await;
    made.expect("the server has ACLs");
    let untracked = server.url().replace("redis://", "redis://untracked:secret@");

    println!("{WAITS} waits, {AT_ONCE} at a time, from the end of the run to the value in the other cache");
    waits("woken by pushes", &server, &ours, &cache_on(&server)).await;
    waits("polling", &server, &ours, &built(Cache::builder().redis_url(untracked))).await;
    renewals(&server, &ours).await;
}

async fn waits(way: &str, server: &RedisServer, ours: &Cache, theirs: &Cache) {
    // The connections and the scripts are there.
    loaded(ours, way, WAITS, None, Duration::ZERO).await;
    loaded(theirs, way, WAITS, None, Duration::ZERO).await;
    let before = server.commands().await;
    let mut late = Vec::new();
    for first in (0..WAITS).step_by(usize::try_from(AT_ONCE).expect("a few")) {
        late.extend(join_all((first..first + AT_ONCE).map(|id| wait(way, ours, theirs, id))).await);
    }
    let sent = count(&server.commands().await, &before, &["get", "client|caching"]);
    // The look of each side before there is anything to wait for.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand commands")]
    let each = (sent - 2 * WAITS) as f64 / WAITS as f64;
    late.sort_unstable();
    let at = |share: usize| late[(late.len() - 1) * share / 100];
    println!("{way:16} median {:>9.2?}   p99 {:>9.2?}   commands per wait {each:.2}", at(50), at(99));
}

/// How long after the end of our run the value is there on their side.
async fn wait(way: &str, ours: &Cache, theirs: &Cache, id: u64) -> Duration {
    let (begins, running) = oneshot::channel();
    let lasts = Duration::from_millis(50 + id * 97 % 250);
    let (_, late) = tokio::join!(loaded(ours, way, id, Some(begins), lasts), async {
        running.await.expect("our side runs");
        let (ended, reported) = report(loaded(theirs, way, id, None, lasts)).await;
        let late = nanoseconds() - ended;
        assert_eq!(reported.calls()[0].outcome(), Outcome::Waited);
        Duration::from_nanos(late)
    });
    late
}

/// Long runs at a time, under the default lease.
async fn renewals(server: &RedisServer, ours: &Cache) {
    // Every script is there.
    loaded(ours, "long", LONG_RUNS, None, Duration::from_millis(1_200)).await;
    let before = server.commands().await;
    join_all((0..LONG_RUNS).map(|id| loaded(ours, "long", id, None, LONG))).await;
    let scripts = count(&server.commands().await, &before, &["evalsha"]);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred commands")]
    let each_second = (scripts - 2 * LONG_RUNS) as f64 / LONG.as_secs_f64();
    println!(
        "{LONG_RUNS} runs of {LONG:?} at once: {each_second:.1} renewals a second; a liveness key of their process, \
         renewed every 5 s, would cost 0.2, and a command for each look of a waiter at it"
    );
}

fn count(after: &Commands, before: &Commands, names: &[&str]) -> u64 {
    let calls = after.since(before);
    names.iter().filter_map(|name| calls.get(*name)).sum()
}

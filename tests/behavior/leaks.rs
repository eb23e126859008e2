//! What an outage leaves behind in a process: nothing, however many keys were asked for.
//!
//! Counted exactly, by the allocator, on one thread: a second outage takes no memory and no task that the first one did
//! not take.

use std::time::Duration;

use allocation_counter::measure;
use cache_runtime::{Cache, State, redis_cached};
use support::{RedisServer, built, within};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::sleep;

/// Calls of an outage, each of its own key.
const CALLS: i64 = 1_000;

/// What may be left behind by them all: less than a pointer for each. A connection's buffers grow with what they carry.
const LEFT: i64 = 8 * CALLS;

#[redis_cached(key = "answer:<id>", ttl = 600, lock = true, cache = cache, skip(cache))]
async fn answer(cache: &Cache, id: u64) -> u64 {
    id
}

/// A server that breaks, and is well again.
struct Breaking {
    runtime: Runtime,
    server: RedisServer,
    cache: Cache,
    next: u64,
}

impl Breaking {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = runtime.block_on(RedisServer::start());
        let cache = Cache::builder().redis_url(server.url()).deadline(Duration::from_millis(50));
        let cache = built(cache.outage_concurrency(4).degraded_ttl(Duration::from_secs(60)));
        Self { runtime, server, cache, next: 0 }
    }

    /// Calls and invalidates while the server is broken, until it is well again and no invalidation is pending.
    fn outage(&mut self, breaks: &impl AsyncFn(&mut RedisServer), mends: &impl AsyncFn(&mut RedisServer)) {
        let Self { runtime, server, cache, next } = self;
        runtime.block_on(async {
            breaks(server).await;
            for _ in 0..CALLS {
                *next += 1;
                assert_eq!(answer(cache, *next).await, *next);
                answer_entry(cache, *next).invalidate().await.expect_err("the server is broken");
            }
            mends(server).await;
            let well = async {
                loop {
                    let health = cache.health();
                    if health.state() == State::Up && health.pending_invalidations() == 0 {
                        return;
                    }
                    answer(cache, 0).await;
                    sleep(Duration::from_millis(5)).await;
                }
            };
            within("the cache to be well again", well).await;
            answer_entry(cache, 0).invalidate().await.expect("the server is well");
        });
    }

    fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// Waits until no more tasks live than that: connections that were given up take a moment to end.
    fn rests(&self, tasks: usize) {
        let rested = async {
            while self.tasks() > tasks {
                sleep(Duration::from_millis(5)).await;
            }
        };
        self.runtime.block_on(async { within("the tasks of the outage to end", rested).await });
    }
}

fn leaves_nothing_behind(breaks: &impl AsyncFn(&mut RedisServer), mends: &impl AsyncFn(&mut RedisServer)) {
    let mut breaking = Breaking::new();
    // What is made once, and what grows to its size.
    breaking.outage(breaks, mends);
    let tasks = breaking.tasks();
    let left = measure(|| {
        breaking.outage(breaks, mends);
        breaking.rests(tasks);
    });
    assert!(left.bytes_current < LEFT, "{CALLS} calls left {} bytes behind", left.bytes_current);
}

#[test]
fn an_outage_of_a_server_that_is_gone_leaves_nothing_behind() {
    leaves_nothing_behind(&async |server| server.kill(), &async |server| server.restart().await);
}

#[test]
fn an_outage_of_a_server_that_hangs_leaves_nothing_behind() {
    leaves_nothing_behind(&async |server| server.pause(), &async |server| server.resume());
}

#[tokio::test]
async fn a_cache_that_is_dropped_takes_its_tasks_with_it_in_an_outage_too() {
    let server = RedisServer::start().await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    for breaks in [false, true] {
        let cache = built(Cache::builder().redis_url(server.url()).deadline(Duration::from_millis(50)));
        answer(&cache, 1).await;
        if breaks {
            server.pause();
            while cache.health().state() != State::Down {
                answer_entry(&cache, 1).invalidate().await.expect_err("the server hangs");
            }
        }
        assert!(tasks() > 0, "somebody holds the connection");
        drop(cache);
        let ended = async {
            while tasks() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        within("the tasks of the cache to end", ended).await;
    }
}

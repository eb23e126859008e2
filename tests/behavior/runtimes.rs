//! One process may hold several tokio runtimes, as every test file does: a cache outlives the ones that used it.

use std::sync::{Arc, mpsc};
use std::thread;

use cache_runtime::{Cache, Outcome, redis_cached, report};
use support::{Origin, PATIENCE, RedisServer, Stage, cache_on};
use tokio::runtime::{Builder, Runtime};

#[redis_cached(key = "shared:<id>", ttl = 600, lock(wait = "20s", lease = "200ms"), cache = cache, skip(cache, origin))]
async fn shared(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

#[test]
fn a_cache_goes_on_when_the_runtime_that_first_used_it_is_gone() {
    let server = runtime().block_on(RedisServer::start());
    let (cache, origin) = (cache_on(&server), Origin::default());
    for id in 0..3 {
        let first = runtime().block_on(shared(&cache, &origin, id));
        let (again, reported) = runtime().block_on(report(shared(&cache, &origin, id)));
        assert_eq!((again, reported.calls()[0].outcome()), (first, Outcome::Hit));
    }
}

#[test]
fn a_caller_takes_over_when_the_runtime_of_the_one_that_runs_is_gone() {
    for stage in [runtime().block_on(Stage::memory()), runtime().block_on(Stage::redis())] {
        let (cache, origin) = (Arc::new(stage.cache.clone()), Arc::new(Origin::held()));
        let first = runtime();
        first.spawn({
            let (cache, origin) = (Arc::clone(&cache), Arc::clone(&origin));
            async move { shared(&cache, &origin, 7).await }
        });
        first.block_on(origin.has_begun(1));
        drop(first);
        origin.let_go();
        let taken_over = runtime().block_on(support::within("the next caller", shared(&cache, &origin, 7)));
        assert_eq!(taken_over, 2);
    }
}

#[test]
fn a_runtime_ends_whatever_its_calls_are_doing() {
    // A lease given back while its runtime shut down dialled again, under the lock that the refused task's end took:
    // one runtime in some five never ended.
    let server = runtime().block_on(RedisServer::start());
    let cache = cache_on(&server);
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        for id in 0..50 {
            let (cache, origin, dropped) = (cache.clone(), Arc::new(Origin::held()), runtime());
            dropped.spawn({
                let origin = Arc::clone(&origin);
                async move { shared(&cache, &origin, id).await }
            });
            dropped.block_on(origin.has_begun(1));
            drop(dropped);
        }
        let _ = done.send(());
    });
    ended.recv_timeout(PATIENCE).expect("every runtime ends");
}

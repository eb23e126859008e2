//! `lock = true`: other processes wait for the one that runs, and never longer than is good for them. Two caches on one
//! server share nothing but the server, as two processes would.

use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached, report};
use support::{Origin, RedisServer, cache_on};

#[redis_cached(key = "locked", ttl = 600, lock = true, cache = cache, skip(cache, origin))]
async fn locked(cache: &Cache, origin: &Origin) -> Result<u64, &'static str> {
    let run = origin.run().await;
    if run == 13 { Err("the thirteenth run") } else { Ok(run) }
}

#[redis_cached(key = "unlocked", ttl = 600, cache = cache, skip(cache, origin))]
async fn unlocked(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[redis_cached(
    key = "impatient", ttl = 600, lock(wait = Duration::from_millis(20), lease = "10s"),
    cache = cache, skip(cache, origin)
)]
async fn impatient(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[redis_cached(
    key = "short-lease", ttl = 600, lock(wait = "20s", lease = "100ms"),
    cache = cache, skip(cache, origin)
)]
async fn short_lease(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[tokio::test]
async fn another_process_waits_for_the_value() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::held();
    let (led, (waited, reported)) = tokio::join!(locked(&ours, &origin), async {
        origin.has_begun(1).await;
        let mut traffic = server.traffic().await;
        let (waited, ()) = tokio::join!(report(locked(&theirs, &origin)), async {
            traffic.until("get", 1).await;
            origin.let_go();
        });
        waited
    });
    assert_eq!((led, waited), (Ok(1), Ok(1)));
    assert_eq!(reported.calls()[0].outcome(), Outcome::Waited);
    assert_eq!(origin.runs(), 1);
}

#[tokio::test]
async fn without_lock_another_process_does_not_wait_and_one_value_stays() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::held();
    let begun = std::time::Instant::now();
    let (first, second) = tokio::join!(unlocked(&ours, &origin), async {
        origin.has_begun(1).await;
        let (second, ()) = tokio::join!(unlocked(&theirs, &origin), async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        second
    });
    assert_eq!((first, second), (1, 2));
    // A wait would have had its limit of five seconds.
    assert!(begun.elapsed() < Duration::from_secs(4), "it waited");
    assert_eq!(unlocked(&ours, &origin).await, 1, "the holder of the lease stores its value");
}

#[tokio::test]
async fn a_waiter_past_its_limit_runs_the_body_itself() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::held();
    let (first, second) = tokio::join!(impatient(&ours, &origin), async {
        origin.has_begun(1).await;
        let (second, ()) = tokio::join!(impatient(&theirs, &origin), async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        second
    });
    assert_eq!((first, second), (1, 2));
}

#[tokio::test]
async fn when_the_holder_fails_the_next_one_takes_over() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::default();
    for _ in 1..13 {
        origin.run().await;
    }
    origin.hold();
    let (failed, waited) = tokio::join!(locked(&ours, &origin), async {
        origin.has_begun(13).await;
        let mut traffic = server.traffic().await;
        let (waited, ()) = tokio::join!(locked(&theirs, &origin), async {
            traffic.until("get", 1).await;
            origin.let_go();
        });
        waited
    });
    assert_eq!((failed, waited), (Err("the thirteenth run"), Ok(14)));
}

#[tokio::test]
async fn when_the_holder_is_dropped_the_next_one_takes_over() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::held();
    {
        let holder = locked(&ours, &origin);
        tokio::pin!(holder);
        tokio::select! {
            _ = &mut holder => unreachable!("the origin is held"),
            () = origin.has_begun(1) => {}
        }
    }
    origin.let_go();
    assert_eq!(locked(&theirs, &origin).await, Ok(2), "in another process");
    let (value, reported) = report(locked(&ours, &origin)).await;
    assert_eq!((value, reported.calls()[0].outcome()), (Ok(2), Outcome::Hit));
}

#[tokio::test]
async fn when_the_holder_is_dropped_its_own_process_takes_over() {
    let server = RedisServer::start().await;
    let cache = cache_on(&server);
    let origin = Origin::held();
    let mut first = Box::pin(locked(&cache, &origin));
    tokio::select! {
        _ = &mut first => unreachable!("the origin is held"),
        () = origin.has_begun(1) => {}
    }
    let follower = async {
        let (follower, ()) = tokio::join!(locked(&cache, &origin), async {
            drop(first);
            origin.let_go();
        });
        follower
    };
    assert_eq!(follower.await, Ok(2));
}

#[tokio::test]
async fn when_the_holder_panics_the_next_one_takes_over() {
    #[redis_cached(key = "panics", ttl = 600, lock = true, cache = cache, skip(cache, origin))]
    async fn panics_once(cache: &Cache, origin: &Origin) -> u64 {
        let run = origin.run().await;
        assert_ne!(run, 1, "the first run panics, as this test wants");
        run
    }

    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = std::sync::Arc::new(Origin::default());
    let (cache, first) = (ours.clone(), std::sync::Arc::clone(&origin));
    let panicked = tokio::spawn(async move { panics_once(&cache, &first).await }).await;
    assert!(panicked.expect_err("the body panicked").is_panic());
    assert_eq!(panics_once(&theirs, &origin).await, 2);
    assert_eq!(panics_once(&ours, &origin).await, 2);
}

#[tokio::test]
async fn a_body_that_outlives_its_lease_keeps_it() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::held();
    let (led, waited) = tokio::join!(short_lease(&ours, &origin), async {
        origin.has_begun(1).await;
        let mut traffic = server.traffic().await;
        let (waited, ()) = tokio::join!(short_lease(&theirs, &origin), async {
            // Each renewal, a third of the lease after the last, is a script: six are past the end of the lease.
            traffic.until("evalsha", 6).await;
            origin.let_go();
        });
        waited
    });
    assert_eq!((led, waited), (1, 1));
    assert_eq!(origin.runs(), 1);
}

#[tokio::test]
async fn a_body_that_reaches_its_own_key_does_not_wait_for_itself() {
    #[allow(unused_must_use, reason = "one key for every `n`, so that the function reaches its own")]
    #[redis_cached(key = "factorial:same", ttl = 600, lock(wait = "60s"), cache = cache, skip(cache, n))]
    async fn nested(cache: &Cache, n: u64) -> u64 {
        if n == 0 { 1 } else { n * Box::pin(nested(cache, n - 1)).await }
    }

    let server = RedisServer::start().await;
    assert_eq!(support::within("a nested call", nested(&cache_on(&server), 3)).await, 6);
}

#[redis_cached(key = "burst", ttl = 600, lock(wait = "100ms"), cache = cache, skip(cache, origin))]
async fn burst(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[tokio::test]
async fn at_the_limit_the_callers_of_a_process_run_the_body_together() {
    // Once they left their leader just before its own limit: 72 of 100 ran the body.
    let server = RedisServer::start().await;
    let (ours, theirs) = (cache_on(&server), cache_on(&server));
    let origin = Origin::held();
    let callers = async {
        origin.has_begun(1).await;
        let callers = futures_util::future::join_all((0..100).map(|_| burst(&theirs, &origin)));
        let (answers, ()) = tokio::join!(callers, async {
            origin.has_begun(2).await;
            origin.let_go();
        });
        answers
    };
    let (first, answers) = tokio::join!(burst(&ours, &origin), callers);
    assert_eq!((first, origin.runs()), (1, 2));
    assert!(answers.iter().all(|answer| *answer == 2), "{answers:?}");
}

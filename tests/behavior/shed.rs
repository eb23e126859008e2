//! Load that is shed while the store is down, where the function says so.

use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, Error, ErrorKind, Outcome, redis_cached, report};
use futures_util::future::join_all;
use support::{Events, Origin, RedisServer, built};
use tracing::Level;

fn on(server: &RedisServer) -> CacheBuilder {
    Cache::builder().redis_url(server.url()).deadline(Duration::from_millis(100)).outage_concurrency(1)
}

#[redis_cached(
    key = "shed:<id>", lock(wait = Duration::from_millis(20)), shed = true, cache = cache, skip(cache, origin)
)]
async fn sheds(cache: &Cache, origin: &Origin, id: u64) -> Result<u64, Error> {
    origin.run().await;
    Ok(id)
}

#[tokio::test]
async fn who_waits_in_vain_for_its_turn_is_shed_where_its_function_says_so() {
    let mut server = RedisServer::start().await;
    server.kill();
    let cache = built(on(&server));
    let origin = Origin::held();
    let rest = async {
        origin.has_begun(1).await;
        let events = Events::capture();
        for (error, report) in join_all((0..3).map(|id| report(sheds(&cache, &origin, 2 + id % 2)))).await {
            assert_eq!(error.expect_err("its turn does not come").kind(), ErrorKind::Shed);
            assert_eq!(report.calls()[0].outcome(), Outcome::Refused);
        }
        assert!(events.at_least(Level::WARN).iter().any(|event| event.message.ends_with("shed")));
        assert_eq!(origin.runs(), 1, "none of them ran");
        origin.let_go();
    };
    let (first, ()) = tokio::join!(sheds(&cache, &origin, 1), rest);
    assert_eq!(first.expect("its turn came"), 1, "who has a turn runs without the cache");
    assert_eq!(sheds(&cache, &origin, 2).await.expect("nobody else runs"), 2);
}

#[redis_cached(
    key = "old:<id>", ttl = Duration::from_millis(50), jitter = 0, stale_if_error = 600,
    lock(wait = Duration::from_millis(20)), shed = true, cache = cache, skip(cache, origin)
)]
async fn has_old(cache: &Cache, origin: &Origin, id: u64) -> Result<u64, Error> {
    origin.run().await;
    Ok(id)
}

/// Looks are answered, and leases are not to be had.
#[tokio::test]
async fn an_old_value_that_is_at_hand_is_served_instead_of_the_error() {
    let server = RedisServer::start().await;
    let (cache, origin) = (built(on(&server)), Origin::default());
    for id in 1..=2 {
        has_old(&cache, &origin, id).await.expect("the origin is up");
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    let mut client = server.client().await;
    redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async::<()>(&mut client).await.expect("it can");
    let held = Origin::held();
    let (first, ()) = tokio::join!(has_old(&cache, &held, 1), async {
        held.has_begun(1).await;
        let (second, report) = report(has_old(&cache, &held, 2)).await;
        assert_eq!((second.expect("there is an old value"), report.calls()[0].outcome()), (2, Outcome::Stale));
        held.let_go();
    });
    assert_eq!(first.expect("its turn came"), 1);
}

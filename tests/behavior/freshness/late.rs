//! `timeout`: a caller waits so long and no longer; the function runs on.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Error, Outcome, redis_cached};
use futures_util::future::join_all;
use support::{Origin, PATIENCE};

use super::{memory, reported};

#[derive(Debug, Clone, PartialEq)]
enum Failure {
    Cache(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Cache(error.to_string())
    }
}

/// Takes ten seconds.
#[redis_cached(key = "slow", ttl = "60s", jitter = 0.0, timeout = "2s", cache = cache, skip(cache, origin))]
async fn slow(cache: &Cache, origin: &Arc<Origin>) -> Result<u64, Failure> {
    tokio::time::sleep(Duration::from_secs(10)).await;
    Ok(origin.run().await)
}

#[tokio::test(start_paused = true)]
async fn a_caller_gets_its_own_error_in_time_and_the_value_is_stored_when_it_comes() {
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    let begun = tokio::time::Instant::now();
    let answers = join_all((0..10).map(|_| reported(slow(&cache, &origin)))).await;
    assert_eq!(begun.elapsed().as_secs(), 2, "by the clock of the test");
    for (answer, called) in answers {
        assert_eq!(answer, Err(Failure::Cache("`slow` did not return within 2s".to_owned())));
        assert_eq!(called.outcome(), Outcome::TimedOut);
    }
    assert_eq!(cache.shutdown(PATIENCE).await.unfinished_tasks(), 0);
    assert_eq!(reported(slow(&cache, &origin)).await.1.outcome(), Outcome::Hit);
    assert_eq!(origin.runs(), 1, "who gave up did not stop the function, and nobody ran another");
}

#[tokio::test(start_paused = true)]
async fn without_an_error_or_an_old_value_a_caller_waits_on() {
    #[redis_cached(key = "patient", timeout = "2s", stale_if_error = "1h", cache = cache, skip(cache, origin))]
    async fn patient(cache: &Cache, origin: &Arc<Origin>) -> u64 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        origin.run().await
    }
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    assert_eq!(join_all((0..10).map(|_| patient(&cache, &origin))).await, vec![1; 10]);
    assert_eq!(origin.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn with_an_old_value_at_hand_a_caller_gets_that() {
    #[redis_cached(
        key = "slow-refresh", ttl = "60s", jitter = 0.0, timeout = "2s", stale_if_error = "1h", cache = cache,
        skip(cache, origin)
    )]
    async fn aging(cache: &Cache, origin: &Arc<Origin>) -> Result<u64, Failure> {
        if origin.runs() > 0 {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        Ok(origin.run().await)
    }
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    assert_eq!(aging(&cache, &origin).await, Ok(1));
    tokio::time::advance(Duration::from_secs(61)).await;
    let begun = tokio::time::Instant::now();
    let answers = join_all((0..10).map(|_| reported(aging(&cache, &origin)))).await;
    assert_eq!(begun.elapsed().as_secs(), 2, "by the clock of the test");
    for (answer, called) in answers {
        assert_eq!((answer, called.outcome()), (Ok(1), Outcome::Stale));
    }
    assert_eq!(cache.shutdown(PATIENCE).await.unfinished_tasks(), 0);
    assert_eq!(reported(aging(&cache, &origin)).await.0, Ok(2));
}

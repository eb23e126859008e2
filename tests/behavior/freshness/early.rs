//! `early_refresh`: a value is loaded anew before its end, in the background.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached};
use support::{Origin, PATIENCE};

use super::{memory, reported};

/// Takes a second; refreshed early for certain when half of its life is over.
#[redis_cached(
    key = "early", ttl = "1000s", jitter = 0.0, early_refresh = 10.0, cache = cache, skip(cache, origin)
)]
async fn early(cache: &Cache, origin: &Arc<Origin>) -> u64 {
    tokio::time::sleep(Duration::from_secs(1)).await;
    origin.run().await
}

#[tokio::test(start_paused = true)]
async fn a_fresh_value_is_served_at_once_while_it_is_loaded_anew() {
    let (cache, origin) = (memory(), Arc::new(Origin::default()));
    assert_eq!(early(&cache, &origin).await, 1);
    let (value, called) = reported(early(&cache, &origin)).await;
    assert_eq!((value, called.outcome()), (1, Outcome::Hit));
    tokio::time::advance(Duration::from_millis(999_900)).await;
    let before = tokio::time::Instant::now();
    // A tenth of a second before the end, a call refreshes with a probability of 0.99.
    for _ in 0..20 {
        let (value, called) = reported(early(&cache, &origin)).await;
        assert_eq!((value, called.outcome()), (1, Outcome::Hit));
    }
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody waited");
    assert_eq!(cache.shutdown(PATIENCE).await.unfinished_tasks(), 0);
    assert_eq!(origin.runs(), 2, "one refresh");
    assert_eq!(reported(early(&cache, &origin)).await.0, 2);
}

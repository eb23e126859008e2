//! How long who waits waits at the most, in virtual time: exact, and over at once.

use std::time::Duration;

use cache_runtime::{Cache, redis_cached};
use futures_util::future::join_all;
use support::{Origin, OwnStore, built};
use tokio::time::Instant;

const WAIT: Duration = Duration::from_secs(5);

#[redis_cached(
    key = "limited", ttl = 600, lock(wait = WAIT, lease = "300s"), cache = cache, skip(cache, hangs)
)]
async fn limited(cache: &Cache, hangs: Option<&Origin>) -> u64 {
    match hangs {
        Some(origin) => origin.run().await,
        None => 0,
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_run_that_hangs_for_longer_than_the_limit() {
    let store = OwnStore::default();
    let [ours, theirs] = [store.clone(), store].map(|store| built(Cache::builder().store(store)));
    let hangs = Origin::held();
    let arrivals = [&ours, &theirs].into_iter().flat_map(|cache| (0..20).map(move |arrival| (cache, arrival)));
    let waiters = arrivals.map(async |(cache, arrival)| {
        hangs.has_begun(1).await;
        tokio::time::sleep(Duration::from_millis(arrival * 777)).await;
        let begun = Instant::now();
        assert_eq!(limited(cache, None).await, 0);
        begun.elapsed()
    });
    let waiters = async {
        let waited = join_all(waiters).await;
        hangs.let_go();
        waited
    };
    let (_, waited) = tokio::join!(limited(&ours, Some(&hangs)), waiters);
    let longest = waited.iter().max().expect("twenty waited on each side");
    assert_eq!(longest.as_secs(), WAIT.as_secs(), "{waited:?}");
}

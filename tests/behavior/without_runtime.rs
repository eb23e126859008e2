//! Outside of a tokio runtime nothing panics: what is in this process is served, the rest runs without the cache.

use cache_runtime::{Cache, ErrorKind, Memory, State, redis_cached};
use futures_util::FutureExt;
use support::{Events, Origin, built};
use tracing::Level;

#[redis_cached(key = "somewhere", cache = cache, skip(cache, origin))]
async fn somewhere(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[test]
fn a_value_in_this_process_is_served_and_a_miss_runs_the_function() {
    let (events, origin) = (Events::capture(), Origin::default());
    let cache = built(Cache::builder().memory(Memory::entries(10)));
    assert_eq!(somewhere(&cache, &origin).now_or_never(), Some(1));
    assert!(!events.at_least(Level::WARN).is_empty(), "nobody is told");
    let put = somewhere_entry(&cache).put(&9).now_or_never().expect("nothing to wait for");
    put.expect("memory does not fail");
    assert_eq!(somewhere(&cache, &origin).now_or_never(), Some(9));
    assert_eq!(origin.runs(), 1);
}

#[test]
fn redis_counts_as_away_and_is_not_given_up_for_that() {
    for builder in [
        Cache::builder().redis_url("redis://127.0.0.1:1/"),
        Cache::builder().redis_cluster(["redis://127.0.0.1:1/", "redis://127.0.0.1:2/"]),
    ] {
        let (cache, origin) = (built(builder), Origin::default());
        for run in 1..10 {
            assert_eq!(somewhere(&cache, &origin).now_or_never(), Some(run));
            let get = somewhere_entry(&cache).get().now_or_never().expect("nothing to wait for");
            assert_eq!(get.expect_err("no runtime").kind(), ErrorKind::Unavailable);
        }
        assert_eq!(cache.health().state(), State::NotContacted, "others have a runtime");
    }
}

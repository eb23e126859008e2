//! How large an entry may be, and what compression makes of a large one.

use cache_runtime::{Cache, ErrorKind, Memory, Outcome, redis_cached, refresh, report};
use support::{Event, Events, Origin, OwnStore, PATIENCE, RedisServer, built, within};
use tracing::Level;

use crate::pass_a_minute;

/// The smallest bound that a cache takes.
const BOUND: usize = 1 << 10;

/// As long as its caller says: the number of the run, again and again.
#[redis_cached(key = "text:<id>", ttl = 600, cache = cache, skip(cache, origin, len))]
async fn text(cache: &Cache, origin: &Origin, id: u64, len: usize) -> String {
    assert!(id < 100);
    origin.run().await.to_string().repeat(len)
}

/// A bounded cache on each store.
fn bounded(server: &RedisServer) -> [Cache; 3] {
    let builders = [
        Cache::builder().redis_url(server.url()).deadline(PATIENCE),
        Cache::builder().memory(Memory::default()),
        Cache::builder().store(OwnStore::default()),
    ];
    builders.map(|builder| built(builder.max_entry_bytes(BOUND)))
}

fn of_the_bound(events: &Events) -> Vec<Event> {
    let warnings = events.at_least(Level::WARN);
    assert!(warnings.iter().all(|event| event.message.contains("max_entry_bytes")), "{warnings:?}");
    warnings
}

async fn keys(server: &RedisServer) -> u64 {
    redis::cmd("DBSIZE").query_async(&mut server.client().await).await.expect("the server is up")
}

async fn stored(server: &RedisServer, key: &str) -> Vec<u8> {
    redis::cmd("GET").arg(key).query_async(&mut server.client().await).await.expect("the server is up")
}

async fn store(server: &RedisServer, key: &str, entry: &[u8]) {
    redis::cmd("SET").arg(key).arg(entry).exec_async(&mut server.client().await).await.expect("the server is up");
}

#[tokio::test]
async fn a_value_past_the_bound_is_returned_and_not_stored_and_its_lease_is_given_back() {
    let server = RedisServer::start().await;
    for cache in bounded(&server) {
        let (events, origin) = (Events::capture(), Origin::default());
        for run in 1..=2 {
            let (answer, reported) = report(text(&cache, &origin, 7, BOUND)).await;
            assert_eq!(answer, run.to_string().repeat(BOUND));
            assert!(!reported.calls()[0].stored());
            assert_eq!(of_the_bound(&events).len(), run, "one event each");
            // A lease that were left would be seen, and not asked for again.
            assert_eq!(keys(&server).await, 0, "the lease is given back");
        }
        assert_eq!(text(&cache, &origin, 7, 9).await, "333333333");
        assert_eq!(text(&cache, &origin, 7, 9).await, "333333333", "a shorter one is stored");
        text_entry(&cache, 7).invalidate().await.expect("the store is up");
    }
}

#[tokio::test]
async fn callers_that_wait_for_a_value_past_the_bound_get_it() {
    let server = RedisServer::start().await;
    for cache in bounded(&server) {
        let (events, origin) = (Events::capture(), Origin::held());
        let callers = futures_util::future::join_all((0..10).map(|_| text(&cache, &origin, 7, BOUND)));
        let (answers, ()) = tokio::join!(callers, async {
            origin.has_begun(1).await;
            origin.let_go();
        });
        assert!(answers.iter().all(|answer| *answer == "1".repeat(BOUND)));
        assert_eq!((origin.runs(), of_the_bound(&events).len()), (1, 1));
    }
}

#[tokio::test]
async fn a_value_past_the_bound_cannot_be_put() {
    let server = RedisServer::start().await;
    for cache in bounded(&server) {
        let error = text_entry(&cache, 7).put(&"x".repeat(BOUND)).await.expect_err("it is too long");
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert_eq!(keys(&server).await, 0);
    }
}

#[tokio::test]
async fn an_entry_past_the_bound_of_its_reader_is_a_miss() {
    let server = RedisServer::start().await;
    let (generous, [bounded, ..]) = (built(Cache::builder().redis_url(server.url())), bounded(&server));
    text(&generous, &Origin::default(), 7, BOUND).await;
    let (events, origin) = (Events::capture(), Origin::default());
    assert_eq!(text_entry(&bounded, 7).get().await.expect("the server is up"), None);
    assert_eq!(text(&bounded, &origin, 7, 9).await, "111111111");
    assert_eq!(events.at_least(Level::WARN).len(), 2, "{:?}", events.all());
    assert_eq!(text(&bounded, &origin, 7, 9).await, "111111111", "it was overwritten");
}

fn compressing(server: &RedisServer) -> Cache {
    built(Cache::builder().redis_url(server.url()).deadline(PATIENCE).compress_above(100))
}

#[tokio::test]
async fn a_long_value_is_compressed_and_a_short_one_is_not() {
    let server = RedisServer::start().await;
    let (cache, origin) = (compressing(&server), Origin::default());
    text(&cache, &origin, 7, 5_000).await;
    text(&cache, &origin, 8, 50).await;
    assert!(stored(&server, "text:7").await.len() < 150);
    assert!(stored(&server, "text:8").await.windows(50).any(|text| text == "2".repeat(50).as_bytes()));
    // Whether a cache compresses makes no difference to what it reads.
    for reader in [&cache, &built(Cache::builder().redis_url(server.url()))] {
        assert_eq!(text(reader, &origin, 7, 5_000).await, "1".repeat(5_000));
        assert_eq!(text_entry(reader, 7).get().await.expect("the server is up"), Some("1".repeat(5_000)));
    }
    assert_eq!(origin.runs(), 2);
}

#[tokio::test]
async fn a_compressed_value_is_served_while_it_is_refreshed() {
    let server = RedisServer::start().await;
    let (cache, other, origin) = (compressing(&server), compressing(&server), Origin::default());
    text(&cache, &origin, 7, 5_000).await;
    origin.hold();
    let (refreshed, found) = tokio::join!(refresh(text(&cache, &origin, 7, 5_000)), async {
        origin.has_begun(2).await;
        let found = within("a hit meanwhile", report(text(&other, &origin, 7, 5_000))).await;
        origin.let_go();
        found
    });
    assert_eq!(refreshed, "2".repeat(5_000));
    assert_eq!((found.0, found.1.calls()[0].outcome()), ("1".repeat(5_000), Outcome::Hit));
    assert_eq!(text(&other, &origin, 7, 5_000).await, "2".repeat(5_000));
}

#[tokio::test]
async fn a_compressed_value_that_is_longer_than_the_bound_of_its_reader_is_a_miss() {
    let server = RedisServer::start().await;
    text(&compressing(&server), &Origin::default(), 7, 5_000).await;
    let ([bounded, ..], events) = (bounded(&server), Events::capture());
    assert_eq!(text(&bounded, &Origin::default(), 7, 9).await, "111111111");
    let told = events.at_least(Level::WARN);
    assert!(told.len() == 1 && told[0].field("why").is_some_and(|why| why.contains("max_entry_bytes")), "{told:?}");
}

#[tokio::test]
async fn a_damaged_compressed_value_is_a_miss() {
    let server = RedisServer::start().await;
    let cache = compressing(&server);
    text(&cache, &Origin::default(), 7, 5_000).await;
    let whole = stored(&server, "text:7").await;
    // Without its first byte it is not an entry any more.
    let flips = (1..whole.len()).filter(|at| !(3..17).contains(at)).map(|at| {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        flipped
    });
    for damaged in flips.chain((1..whole.len()).map(|end| whole[..end].to_vec())) {
        pass_a_minute().await;
        store(&server, "text:7", &damaged).await;
        let (events, origin) = (Events::capture(), Origin::default());
        origin.run().await;
        assert_eq!(text(&cache, &origin, 7, 5_000).await, "2".repeat(5_000));
        assert_eq!(events.at_least(Level::WARN).len(), 1, "{damaged:?}");
    }
}

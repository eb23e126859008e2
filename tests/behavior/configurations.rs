//! The ways to configure a cache: each store it can be on, each codec it can have.

use cache_runtime::{Cache, Codec, CodecId, Error, ErrorKind, Json, Memory, Outcome, redis_cached, report};
use serde::Serialize;
use serde::de::DeserializeOwned;
use support::{Origin, RedisServer, built};

#[redis_cached(key = "answer", ttl = 600, cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

/// What stands at the key, as the server has it.
async fn raw(server: &RedisServer, key: &str) -> Vec<u8> {
    let entry: Option<Vec<u8>> =
        redis::cmd("GET").arg(key).query_async(&mut server.client().await).await.expect("the server is up");
    entry.unwrap_or_default()
}

async fn is_served_from(server: &RedisServer, cache: &Cache) {
    let origin = Origin::default();
    answer(cache, &origin).await;
    let (_, reported) = report(answer(cache, &origin)).await;
    assert_eq!(reported.calls()[0].outcome(), Outcome::Hit);
    assert!(!raw(server, "answer").await.is_empty());
}

#[tokio::test]
async fn on_a_client_of_the_users() {
    let server = RedisServer::start().await;
    let client = redis::Client::open(server.url()).expect("the URL is well formed");
    is_served_from(&server, &built(Cache::builder().redis_client(client))).await;
}

#[tokio::test]
async fn on_a_connection_of_the_users() {
    let server = RedisServer::start().await;
    is_served_from(&server, &built(Cache::builder().redis_connection(server.client().await))).await;
}

#[tokio::test]
async fn with_a_prefix_tenants_do_not_meet() {
    let server = RedisServer::start().await;
    let tenant = |name: &str| built(Cache::builder().redis_url(server.url()).prefix(name));
    let (acme, umbrella, origin) = (tenant("acme"), tenant("umbrella"), Origin::default());
    assert_eq!((answer(&acme, &origin).await, answer(&umbrella, &origin).await), (1, 2));
    answer_entry(&acme).invalidate().await.expect("the server is up");
    assert_eq!((answer(&acme, &origin).await, answer(&umbrella, &origin).await), (3, 2));
    assert!(!raw(&server, "acme:answer").await.is_empty());
}

#[tokio::test]
async fn with_a_codec_for_all_its_functions() {
    let server = RedisServer::start().await;
    let cache = built(Cache::builder().redis_url(server.url()).codec(Json));
    answer(&cache, &Origin::default()).await;
    assert!(raw(&server, "answer").await.ends_with(b"1"));
    assert_eq!(answer_entry(&cache).get().await.expect("the server is up"), Some(1));
}

/// A codec as a user would write one: JSON, backwards.
struct Backwards;

impl Codec for Backwards {
    const ID: CodecId = CodecId::custom(200);

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        Json::encode(value, out)?;
        out[start..].reverse();
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        Json::decode(&bytes.iter().rev().copied().collect::<Vec<_>>())
    }
}

#[redis_cached(key = "answer", ttl = 600, codec = Backwards, cache = cache, skip(cache))]
async fn backwards(cache: &Cache) -> String {
    "stressed".to_owned()
}

#[tokio::test]
async fn with_a_codec_of_the_users_own() {
    let server = RedisServer::start().await;
    let cache = built(Cache::builder().redis_url(server.url()));
    assert_eq!(backwards(&cache).await, "stressed");
    assert!(raw(&server, "answer").await.ends_with(b"\"desserts\""));
    let (again, reported) = report(backwards(&cache)).await;
    assert_eq!((again.as_str(), reported.calls()[0].outcome()), ("stressed", Outcome::Hit));
}

/// A codec that holds nothing.
struct Broken;

impl Codec for Broken {
    const ID: CodecId = CodecId::custom(201);

    fn encode<T: Serialize>(_: &T, _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Codec, "never"))
    }

    fn decode<T: DeserializeOwned>(_: &[u8]) -> Result<T, Error> {
        Err(Error::new(ErrorKind::Codec, "never"))
    }
}

#[redis_cached(key = "broken", ttl = 600, codec = Broken, cache = cache, skip(cache, origin))]
async fn broken(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[tokio::test]
async fn a_value_that_cannot_be_encoded_is_returned_and_leaves_no_lease() {
    let (events, origin) = (support::Events::capture(), Origin::default());
    let cache = built(Cache::builder().memory(Memory::bytes(1 << 20)));
    assert_eq!((broken(&cache, &origin).await, broken(&cache, &origin).await), (1, 2));
    assert!(!events.at_least(tracing::Level::WARN).is_empty(), "nobody is told");
    assert_eq!(broken_entry(&cache).put(&1).await.expect_err("it cannot be encoded").kind(), ErrorKind::Codec);
}

#[redis_cached(key = "n:<n>", ttl = 600, cache = cache, skip(cache))]
async fn padded(cache: &Cache, n: u64) -> String {
    format!("{n:>1000}")
}

async fn kept(cache: &Cache, of: u64) -> usize {
    for n in 0..of {
        padded(cache, n).await;
    }
    let mut kept = 0;
    for n in 0..of {
        kept += usize::from(padded_entry(cache, n).get().await.expect("memory does not fail").is_some());
    }
    kept
}

#[tokio::test]
async fn memory_keeps_no_more_than_it_may() {
    let by_entries = kept(&built(Cache::builder().memory(Memory::entries(100))), 2_000).await;
    assert!((50..=100).contains(&by_entries), "{by_entries}");
    // A value of 1,000 characters costs about 1,140 bytes with its key, its header and what an entry costs.
    let by_bytes = kept(&built(Cache::builder().memory(Memory::bytes(200_000))), 2_000).await;
    assert!((80..=180).contains(&by_bytes), "{by_bytes}");
}

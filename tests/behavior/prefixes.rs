//! A cache without a prefix must not use the keys of one with a prefix: the first `:` of a key ends its prefix.

use cache_runtime::{Cache, Memory, redis_cached};
use support::{Event, Events, OwnStore, RedisServer, built};
use tracing::Level;

fn told(events: &Events) -> Vec<Event> {
    let told = events.at_least(Level::WARN);
    told.into_iter().filter(|event| event.message.contains("prefix of another cache")).collect()
}

#[redis_cached(key = "early:user:<id>", ttl = 600, cache = cache, skip(cache))]
async fn early(cache: &Cache, id: u64) -> u64 {
    id
}

#[tokio::test]
async fn a_function_that_is_called_before_the_other_cache_is_built_is_reported_when_it_is() {
    let server = RedisServer::start().await;
    let (bare, events) = (built(Cache::builder().redis_url(server.url())), Events::capture());
    early(&bare, 1).await;
    let _similar = built(Cache::builder().redis_url(server.url()).prefix("ear"));
    assert_eq!(told(&events), [], "the prefix ends at its `:`");
    let _other = built(Cache::builder().redis_url(server.url()).prefix("early"));
    let told = told(&events);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].level, told[0].field("function")), (Level::ERROR, Some("early")));
    assert_eq!((told[0].field("template"), told[0].field("prefix")), (Some("early:user:<id>"), Some("early:")));
}

#[redis_cached(key = "late:user:<id>", ttl = 600, shared = true, cache = cache, skip(cache))]
async fn late(cache: &Cache, id: u64) -> u64 {
    id
}

#[redis_cached(key = "late:user:<id>", ttl = 600, shared = true, entry = late_again_entry, cache = cache, skip(cache))]
async fn late_again(cache: &Cache, id: u64) -> u64 {
    id
}

#[tokio::test]
async fn a_template_is_reported_once_however_many_functions_and_calls_use_it() {
    let other = built(Cache::builder().store(OwnStore::default()).prefix("late"));
    let (bare, events) = (built(Cache::builder().store(OwnStore::default())), Events::capture());
    for id in 0..5 {
        late(&bare, id).await;
        late_again(&bare, id).await;
        late_entry(&bare, id).invalidate().await.expect("the store is up");
        late(&other, id).await;
    }
    assert_eq!(told(&events).len(), 1, "{:?}", told(&events));
}

#[redis_cached(key = "harmless:user:<id>", ttl = 600, cache = cache, skip(cache))]
async fn harmless(cache: &Cache, id: u64) -> u64 {
    id
}

#[tokio::test]
async fn caches_that_are_gone_or_share_with_nobody_are_no_reason() {
    let events = Events::capture();
    drop(built(Cache::builder().store(OwnStore::default()).prefix("harmless")));
    let _in_memory = built(Cache::builder().memory(Memory::entries(10)).prefix("harmless"));
    let _disabled = Cache::disabled();
    harmless(&built(Cache::builder().memory(Memory::entries(10))), 1).await;
    harmless(&built(Cache::builder().store(OwnStore::default())), 1).await;
    assert_eq!(told(&events), []);
}

#[tokio::test]
async fn keys_are_as_they_were_written_behind_the_prefix() {
    let cache = built(Cache::builder().memory(Memory::entries(10)).prefix("shop-eu"));
    assert_eq!(harmless_entry(&cache, 7).key(), "shop-eu:harmless:user:7");
}

//! Lengths that are claimed, of elements that take no bytes.

use std::sync::atomic::{AtomicUsize, Ordering};

use cache_runtime::{Cache, Codec, CodecId, Error, Postcard, redis_cached, report};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use support::Events;

use super::{cache, told, with_a_server};

/// Takes no bytes, and says how often it was read.
#[derive(Serialize)]
struct Counted;

static READ: AtomicUsize = AtomicUsize::new(0);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, Ordering::Relaxed);
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

/// Writes a length, in the place of any value.
struct Claiming;

/// More than a bound, and little enough for a reader without one to return.
const CLAIMED: u64 = 1 << 20;

impl Codec for Claiming {
    const ID: CodecId = Postcard::ID;

    fn encode<T: Serialize>(_: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        Postcard::encode(&CLAIMED, out)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        Postcard::decode(bytes)
    }
}

#[redis_cached(key = "counted:<number>", ttl = 600, codec = Postcard, cache = cache, skip(cache))]
async fn counted(cache: &Cache, number: usize) -> Vec<Counted> {
    (0..number).map(|_| Counted).collect()
}

#[redis_cached(key = "counted:<number>", ttl = 600, codec = Claiming, cache = cache, skip(cache))]
async fn claiming(cache: &Cache, number: usize) -> Vec<Counted> {
    (0..number).map(|_| Counted).collect()
}

#[test]
fn a_length_that_takes_no_bytes_costs_little_however_large_it_is() {
    with_a_server(|server| async move {
        claiming(&cache(&server), 3).await;
        let (cache, events) = (cache(&server), Events::capture());
        assert_eq!(counted(&cache, 3).await.len(), 3);
        assert!(READ.load(Ordering::Relaxed) < 400_000, "{READ:?} elements were read");
        assert!(told(&events, "counts as a miss", "why").contains("take no bytes"));
    });
}

#[test]
fn a_value_of_very_many_elements_that_take_no_bytes_is_returned_and_not_stored() {
    with_a_server(|server| async move {
        let (cache, events) = (cache(&server), Events::capture());
        let (value, calls) = report(counted(&cache, 100_000)).await;
        assert_eq!((value.len(), calls.calls()[0].stored()), (100_000, false));
        assert!(told(&events, "not stored", "error").contains("take no bytes"));
    });
}

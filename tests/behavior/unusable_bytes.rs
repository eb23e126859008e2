//! Entries that cannot be used are a miss: recomputed, overwritten, reported; never a panic, never a wrong value. What this
//! library did not write is another matter: see `foreign`.

use cache_runtime::{Cache, Json, redis_cached};
use serde::{Deserialize, Serialize};
use support::{Events, Origin, Stage, cache_on};
use tracing::Level;

use crate::pass_a_minute;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Point {
    x: u32,
    y: u32,
}

/// The same names and types in another order, as after a refactoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Point")]
struct Swapped {
    y: u32,
    x: u32,
}

#[redis_cached(key = "point", shared = true, ttl = 600, cache = cache, skip(cache, origin))]
async fn point(cache: &Cache, origin: &Origin) -> Point {
    origin.run().await;
    Point { x: 1, y: 2 }
}

#[redis_cached(key = "point", shared = true, ttl = 600, cache = cache, skip(cache, origin))]
async fn swapped(cache: &Cache, origin: &Origin) -> Swapped {
    origin.run().await;
    Swapped { x: 1, y: 2 }
}

#[redis_cached(key = "point", shared = true, ttl = 600, codec = Json, cache = cache, skip(cache, origin))]
async fn point_as_json(cache: &Cache, origin: &Origin) -> Point {
    origin.run().await;
    Point { x: 1, y: 2 }
}

async fn raw(stage: &Stage) -> Vec<u8> {
    let mut client = stage.server().expect("the stage is on Redis").client().await;
    redis::cmd("GET").arg("point").query_async(&mut client).await.expect("the server is up")
}

async fn overwrite(stage: &Stage, bytes: &[u8]) {
    let mut client = stage.server().expect("the stage is on Redis").client().await;
    let _: () = redis::cmd("SET").arg("point").arg(bytes).query_async(&mut client).await.expect("the server is up");
}

/// The cache of another process.
fn elsewhere_in_the_fleet(stage: &Stage) -> Cache {
    cache_on(stage.server().expect("the stage is on Redis"))
}

/// Puts `bytes` at the key: the function runs, an event says why, and the next call is a hit on the new entry.
async fn is_recomputed_and_overwritten(stage: &Stage, bytes: &[u8]) {
    pass_a_minute().await;
    let (events, origin) = (Events::capture(), Origin::default());
    overwrite(stage, bytes).await;
    for _ in 0..2 {
        assert_eq!(point(&stage.cache, &origin).await, Point { x: 1, y: 2 });
    }
    assert_eq!(origin.runs(), 1, "of the bytes {bytes:?}");
    assert!(!events.at_least(Level::WARN).is_empty(), "nobody is told of {bytes:?}");
}

#[tokio::test]
async fn bytes_that_begin_like_an_entry() {
    let stage = Stage::redis().await;
    let bytes = [&b"\xCA"[..], &[0xCA; 48], &[0xCA; 5_000], b"\xCA{}", b"\xCA\x01\x00\x00", b"\xCA\xFF"];
    for bytes in bytes {
        is_recomputed_and_overwritten(&stage, bytes).await;
    }
}

#[tokio::test]
async fn an_entry_cut_anywhere() {
    let stage = Stage::redis().await;
    point(&stage.cache, &Origin::default()).await;
    let whole = raw(&stage).await;
    for end in 1..whole.len() {
        is_recomputed_and_overwritten(&stage, &whole[..end]).await;
    }
}

#[tokio::test]
async fn an_entry_with_any_bit_flipped() {
    let stage = Stage::redis().await;
    point(&stage.cache, &Origin::default()).await;
    let whole = raw(&stage).await;
    // Without its first byte it is not an entry any more.
    for (at, bit) in (1..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        overwrite(&stage, &flipped).await;
        pass_a_minute().await;
        let (events, origin) = (Events::capture(), Origin::default());
        assert_eq!(point(&stage.cache, &origin).await, Point { x: 1, y: 2 }, "bit {bit} of byte {at}");
        // A flip among what leases rewrite may leave a value that is whole, and one in the kind a write under way.
        let told = events.at_least(Level::WARN).len() == 1;
        assert!(told || origin.runs() == 0 || (2..17).contains(&at), "nobody is told of bit {bit} of byte {at}");
    }
}

#[tokio::test]
async fn a_payload_with_a_flipped_bit_is_no_other_value() {
    let stage = Stage::redis().await;
    point(&stage.cache, &Origin::default()).await;
    let mut flipped = raw(&stage).await;
    // The last byte is the number 2: as MessagePack has it, with one bit flipped, it is the number 3.
    assert_eq!(flipped.last(), Some(&2));
    *flipped.last_mut().expect("it is not empty") ^= 1;
    is_recomputed_and_overwritten(&stage, &flipped).await;
}

#[redis_cached(key = "elsewhere", ttl = 600, cache = cache, skip(cache))]
async fn elsewhere(cache: &Cache) -> Point {
    Point { x: 5, y: 6 }
}

#[tokio::test]
async fn a_whole_entry_of_the_same_type_that_was_written_at_another_key() {
    let stage = Stage::redis().await;
    elsewhere(&stage.cache).await;
    let mut client = stage.server().expect("the stage is on Redis").client().await;
    let entry: Vec<u8> = redis::cmd("GET").arg("elsewhere").query_async(&mut client).await.expect("the server is up");
    is_recomputed_and_overwritten(&stage, &entry).await;
}

#[tokio::test]
async fn an_entry_of_another_format_version() {
    let stage = Stage::redis().await;
    point(&stage.cache, &Origin::default()).await;
    let mut other = raw(&stage).await;
    other[1] += 1;
    is_recomputed_and_overwritten(&stage, &other).await;
}

#[tokio::test]
async fn an_entry_of_another_codec() {
    let stage = Stage::redis().await;
    point_as_json(&elsewhere_in_the_fleet(&stage), &Origin::default()).await;
    let json = raw(&stage).await;
    is_recomputed_and_overwritten(&stage, &json).await;
}

#[tokio::test]
async fn an_entry_of_another_shape_of_the_type() {
    let stage = Stage::redis().await;
    swapped(&elsewhere_in_the_fleet(&stage), &Origin::default()).await;
    let reordered = raw(&stage).await;
    is_recomputed_and_overwritten(&stage, &reordered).await;
}

#[tokio::test]
async fn an_entry_function_uses_the_codec_of_its_function() {
    let stage = Stage::redis().await;
    let value = Point { x: 3, y: 4 };
    point_as_json_entry(&stage.cache).put(&value).await.expect("the server is up");
    assert!(raw(&stage).await.ends_with(br#"{"x":3,"y":4}"#));
    assert_eq!(point_as_json(&stage.cache, &Origin::default()).await, value);
}

/// Refuses most numbers, and says which one it refused.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u64")]
struct CardNumber(u64);

impl TryFrom<u64> for CardNumber {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number < 10 { Ok(Self(number)) } else { Err(format!("no such card: {number}")) }
    }
}

#[allow(unused_must_use, reason = "one key for every `number`, the one that the bytes are put at")]
#[redis_cached(key = "point", ttl = 600, cache = cache, skip(cache, number))]
async fn card(cache: &Cache, number: u64) -> CardNumber {
    CardNumber(number)
}

#[tokio::test]
async fn no_event_shows_a_value_that_cannot_be_decoded() {
    let (stage, events) = (Stage::redis().await, Events::capture());
    for number in [4_111_111_111, 5] {
        assert_eq!(card(&stage.cache, number).await, CardNumber(number));
    }
    assert!(!events.at_least(Level::WARN).is_empty(), "nobody is told");
    assert!(!format!("{:?}", events.all()).contains("4111111111"), "{:?}", events.all());
}

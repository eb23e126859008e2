//! A debug build follows the first value of each function to the store and back: what changes on the way, or does not
//! come back, is an error event.

use std::collections::HashMap;

use cache_runtime::{Cache, Memory, redis_cached, refresh};
use serde::{Deserialize, Serialize};
use support::{Event, Events, Stage, built, on_every_store};
use tracing::Level;

on_every_store!(a_field_that_is_left_out_is_found_by_the_first_value);

fn memory() -> Cache {
    built(Cache::builder().memory(Memory::entries(100)))
}

fn errors(events: &Events) -> Vec<Event> {
    events.at_least(Level::WARN)
}

/// One error that names this function and the type, and does not show the value.
fn names(events: &Events, function: &str, value_type: &str, message: &str) {
    let errors = errors(events);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = &errors[0];
    assert_eq!((error.level, error.field("function")), (Level::ERROR, Some(function)));
    assert_eq!(error.field("module"), Some("behavior::round_trip"));
    assert_eq!(error.field("value_type"), Some(value_type));
    assert!(error.message.contains(message), "{error:?}");
    assert!(!format!("{:?}", events.all()).contains("secret"), "{:?}", events.all());
}

const CHANGES: &str = "changes on its way to the store and back";
const IS_LOST: &str = "cannot be read back";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    user: u64,
    #[serde(skip)]
    token: String,
}

fn session(user: u64) -> Session {
    Session { user, token: "secret".to_owned() }
}

#[redis_cached(key = "session:<user>")]
async fn skips(user: u64) -> Session {
    session(user)
}

async fn a_field_that_is_left_out_is_found_by_the_first_value(stage: Stage) {
    let events = Events::capture();
    let first = stage.cache.scope(skips(1)).await;
    names(&events, "skips", "behavior::round_trip::Session", CHANGES);
    let second = stage.cache.scope(skips(1)).await;
    assert_ne!(first, second, "this is what the event is about");
    stage.cache.scope(skips(2)).await;
    assert_eq!(errors(&events).len(), 1, "it is said once for a function");
}

/// A `Some(None)` has no place in most formats.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Change {
    #[expect(clippy::option_option, reason = "it is what the test is about")]
    name: Option<Option<String>>,
}

#[redis_cached(key = "change:<id>", detach = true)]
async fn nested_option(id: u64) -> Result<Option<Change>, std::io::Error> {
    let _ = id;
    Ok(Some(Change { name: Some(None) }))
}

#[tokio::test]
async fn an_option_in_an_option_is_found_in_a_detached_function_and_every_kind_of_return() {
    #[redis_cached(key = "option:<id>")]
    async fn optional(id: u64) -> Option<Session> {
        Some(session(id))
    }
    #[redis_cached(key = "result:<id>", cache_if = |session| session.user > 0)]
    async fn fallible(id: u64) -> Result<Session, std::io::Error> {
        Ok(session(id))
    }
    #[redis_cached(key = "cloned:<id>", fail_open = false)]
    async fn shares(id: u64) -> Result<Option<Session>, Shared> {
        Ok(Some(session(id)))
    }
    let cache = memory();
    let calls = async {
        let events = Events::capture();
        nested_option(1).await.expect("it does not fail");
        names(&events, "nested_option", "behavior::round_trip::Change", CHANGES);
        let events = Events::capture();
        optional(1).await;
        names(&events, "optional", "behavior::round_trip::Session", CHANGES);
        let events = Events::capture();
        fallible(1).await.expect("it does not fail");
        names(&events, "fallible", "behavior::round_trip::Session", CHANGES);
        let events = Events::capture();
        shares(1).await.expect("it does not fail");
        names(&events, "shares", "behavior::round_trip::Session", CHANGES);
    };
    cache.scope(calls).await;
}

#[derive(Debug, Clone)]
struct Shared;

impl From<cache_runtime::Error> for Shared {
    fn from(_: cache_runtime::Error) -> Self {
        Self
    }
}

/// Written as its content alone, which postcard does not describe.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Text(String),
    Number(u64),
}

/// The same, and nothing can be compared.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Opaque {
    Text(String),
    Number(u64),
}

#[tokio::test]
async fn a_value_that_the_codec_cannot_read_back_is_found_also_where_it_cannot_be_compared() {
    #[redis_cached(key = "answer:<id>", codec = cache_runtime::Postcard)]
    async fn answer(id: u64) -> Answer {
        if id == 0 { Answer::Number(id) } else { Answer::Text("secret".to_owned()) }
    }
    #[redis_cached(key = "opaque:<id>", codec = cache_runtime::Postcard)]
    async fn opaque(id: u64) -> Opaque {
        if id == 0 { Opaque::Number(id) } else { Opaque::Text("secret".to_owned()) }
    }
    let cache = memory();
    let events = Events::capture();
    cache.scope(answer(1)).await;
    names(&events, "answer", "behavior::round_trip::Answer", IS_LOST);
    let events = Events::capture();
    cache.scope(opaque(1)).await;
    names(&events, "opaque", "behavior::round_trip::Opaque", IS_LOST);
}

#[tokio::test]
async fn what_comes_back_as_it_was_is_no_event() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Whole {
        id: u64,
        names: HashMap<String, Vec<Option<String>>>,
        nothing: (),
        ratio: f32,
    }
    #[redis_cached(key = "whole:<id>")]
    async fn whole(id: u64) -> Whole {
        let names = HashMap::from([("a".to_owned(), vec![Some("b".to_owned()), None])]);
        Whole { id, names, nothing: (), ratio: 0.1 }
    }
    #[redis_cached(key = "json:<id>", codec = cache_runtime::Json)]
    async fn as_json(id: u64) -> Answer {
        Answer::Number(id)
    }
    #[redis_cached(key = "bincode:<id>", codec = cache_runtime::Bincode)]
    async fn as_bincode(id: u64) -> Result<(), u64> {
        if id > 0 { Ok(()) } else { Err(id) }
    }
    let (cache, events) = (memory(), Events::capture());
    let calls = async {
        whole(1).await;
        as_json(1).await;
        as_bincode(1).await.expect("it does not fail");
    };
    cache.scope(calls).await;
    assert_eq!(errors(&events), []);
}

/// Loses its text, and nobody can tell.
#[derive(Serialize, Deserialize)]
struct Incomparable(#[serde(skip)] String, u64);

#[redis_cached(key = "incomparable:<id>")]
async fn incomparable(id: u64) -> Incomparable {
    Incomparable("secret".to_owned(), id)
}

/// Comparable where its parameter is, which this function does not say.
#[redis_cached(key = "generic:<id>", skip(value))]
async fn generic<T>(value: T, id: u64) -> Result<T, std::io::Error>
where
    T: Serialize + serde::de::DeserializeOwned,
{
    let _ = id;
    Ok(value)
}

#[tokio::test]
async fn a_type_that_cannot_be_compared_is_left_alone() {
    let (cache, events) = (memory(), Events::capture());
    let value = cache.scope(incomparable(1)).await;
    assert_eq!((value.0.as_str(), value.1), ("secret", 1));
    cache.scope(generic(session(1), 1)).await.expect("it does not fail");
    assert_eq!(errors(&events), []);
}

#[redis_cached(key = "ratio:<nth>", skip(ratio))]
async fn ratio(nth: u64, ratio: f64) -> Ratio {
    let _ = nth;
    Ratio { ratio, text: "secret".to_owned() }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Ratio {
    ratio: f64,
    #[serde(skip)]
    text: String,
}

#[tokio::test]
async fn a_value_that_does_not_equal_itself_says_nothing_and_the_next_one_does() {
    let (cache, events) = (memory(), Events::capture());
    cache.scope(ratio(1, f64::NAN)).await;
    assert_eq!(errors(&events), []);
    cache.scope(ratio(2, 1.0)).await;
    names(&events, "ratio", "behavior::round_trip::Ratio", CHANGES);
}

#[redis_cached(key = "instance:<id>", shared = true, skip(value))]
async fn instance<T>(id: u64, value: T) -> T
where
    T: PartialEq + Serialize + serde::de::DeserializeOwned,
{
    let _ = id;
    value
}

#[tokio::test]
async fn each_type_of_a_generic_function_is_followed() {
    let (cache, events) = (memory(), Events::capture());
    cache.scope(instance(1, 7_u64)).await;
    assert_eq!(errors(&events), []);
    cache.scope(instance(2, session(7))).await;
    names(&events, "instance", "behavior::round_trip::Session", CHANGES);
    let events = Events::capture();
    cache.scope(instance(3, Change { name: Some(None) })).await;
    names(&events, "instance", "behavior::round_trip::Change", CHANGES);
}

/// Counts how often it is read, beside which value it has.
#[derive(Debug, PartialEq, Serialize)]
struct Read(u64);

static READS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u64::deserialize(deserializer)?;
        // What finds out the shape of a type reads made-up values.
        READS.fetch_add(u64::from(value == 77), std::sync::atomic::Ordering::SeqCst);
        Ok(Self(value))
    }
}

#[redis_cached(key = "reads")]
async fn reads() -> Read {
    Read(77)
}

#[tokio::test]
async fn only_the_first_value_is_followed_and_a_hit_reads_once() {
    let cache = memory();
    let reads_of = |count: u64| assert_eq!(READS.load(std::sync::atomic::Ordering::SeqCst), count);
    cache.scope(reads()).await;
    reads_of(1);
    cache.scope(refresh(reads())).await;
    reads_of(1);
    cache.scope(reads()).await;
    reads_of(2);
    memory().scope(reads()).await;
    reads_of(2);
}

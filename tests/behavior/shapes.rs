//! Types of other names, and other shapes of one type: releases of a program that run side by side during a deploy.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{
    Bincode, Cache, CacheBuilder, Codec, CodecId, Error, ErrorKind, Json, Outcome, Shape, redis_cached, report,
    test_util,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use support::{Event, Events, Origin, PATIENCE, RedisServer, built, within};
use tracing::Level;

use crate::pass_a_minute;

/// Each release is a process of its own, so it has its own cache.
fn cache_of_a_release(server: &RedisServer) -> Cache {
    built(on(server))
}

fn on(server: &RedisServer) -> CacheBuilder {
    Cache::builder().redis_url(server.url()).deadline(PATIENCE)
}

fn warnings(events: &Events) -> Vec<Event> {
    events.at_least(Level::WARN)
}

trait Animal: Serialize + DeserializeOwned {
    fn named(name: &str) -> Self;
}

macro_rules! animals {
    ($($animal:ident)*) => {$(
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct $animal {
            name: String,
        }

        impl Animal for $animal {
            fn named(name: &str) -> Self {
                Self { name: name.to_owned() }
            }
        }
    )*};
}
animals!(Dog Cat);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

impl<T: Animal> Animal for Page<T> {
    fn named(name: &str) -> Self {
        Self { items: vec![T::named(name)] }
    }
}

#[redis_cached(key = "row:<id>", ttl = 600, shared = true, cache = cache, skip(cache, name))]
async fn row<T: Animal>(cache: &Cache, id: u64, name: &str) -> T {
    T::named(name)
}

/// `row::<Dog>(1)` once returned `Dog { name: "cat" }`: the two types have one shape.
#[tokio::test]
async fn a_type_of_another_name_and_the_same_shape_is_a_miss() {
    let server = RedisServer::start().await;
    for shape in [Shape::Exact, Shape::Compatible] {
        let [cats, dogs] = [(); 2].map(|()| built(on(&server).shape(shape)));
        let events = Events::capture();
        assert_eq!(row::<Cat>(&cats, 1, "cat").await, Cat::named("cat"));
        assert_eq!(row_entry::<Dog>(&dogs, 1).get().await.expect("the server is up"), None);
        assert_eq!(row::<Dog>(&dogs, 1, "dog").await, Dog::named("dog"));
        assert_eq!(row::<Dog>(&dogs, 1, "another").await, Dog::named("dog"), "the entry was overwritten");
        let cats = built(on(&server).shape(shape));
        assert_eq!(row::<Cat>(&cats, 1, "cat").await, Cat::named("cat"));
        assert!(
            warnings(&events).iter().all(|event| event.field("why") == Some("written from a type of another name"))
        );

        assert_eq!(row::<Page<Cat>>(&cats, 2, "cat").await, Page::named("cat"));
        assert_eq!(row::<Page<Dog>>(&dogs, 2, "dog").await, Page::<Dog>::named("dog"), "the names in it count");
        redis::cmd("FLUSHALL").exec_async(&mut server.client().await).await.expect("the server is up");
    }
}

/// Two releases of a program: one function at one key, and its types as each release has them.
macro_rules! release {
    ($release:ident: $($types:item)*) => {
        #[allow(dead_code, reason = "of some functions the entry is looked at, and of one release only")]
        mod $release {
            use std::sync::Arc;

            use cache_runtime::{Cache, redis_cached};
            use serde::{Deserialize, Serialize};
            use support::Origin;

            $(
                #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
                $types
            )*

            #[redis_cached(key = "user:<id>", ttl = 600, shared = true, cache = cache, skip(cache, origin))]
            pub(super) async fn user(cache: &Cache, origin: &Origin, id: u64) -> User {
                User::new(origin.run().await * 100 + id)
            }

            #[redis_cached(key = "user:<id>", ttl = 600, shape = "compatible", cache = cache, skip(cache, origin))]
            pub(super) async fn compatible(cache: &Cache, origin: &Origin, id: u64) -> User {
                User::new(origin.run().await * 100 + id)
            }

            #[redis_cached(
                key = "user:<id>", ttl = 600, lock = true, shape = "compatible", cache = cache, skip(cache, origin)
            )]
            pub(super) async fn locked(cache: &Cache, origin: &Origin, id: u64) -> User {
                User::new(origin.run().await * 100 + id)
            }

            #[redis_cached(
                key = "user:<id>", ttl = 600, stale_while_revalidate = 6000, shape = "compatible", cache = cache,
                skip(cache, origin)
            )]
            pub(super) async fn stale(cache: &Cache, origin: Arc<Origin>, id: u64) -> User {
                User::new(origin.run().await * 100 + id)
            }

            #[redis_cached(
                key = "user:<id>", ttl = 600, err_ttl = 600, shape = "compatible", cache = cache, skip(cache, origin)
            )]
            pub(super) async fn failing(cache: &Cache, origin: &Origin, id: u64) -> Result<u64, Failure> {
                Err(Failure::new(origin.run().await * 100 + id))
            }
        }
    };
}

release! {
    old:
    pub(super) struct User { pub id: u64, pub name: String }
    pub(super) struct Failure { pub code: u64 }
}

impl old::User {
    fn new(id: u64) -> Self {
        Self { id, name: "old".to_owned() }
    }
}

impl old::Failure {
    fn new(code: u64) -> Self {
        Self { code }
    }
}

// In the new release a user has an address, which may be missing, and no place in the order of its fields is the same.
release! {
    new:
    pub(super) struct User { pub address: Option<Address>, pub name: String, pub id: u64 }
    pub(super) struct Address { pub city: String }
    pub(super) struct Failure { pub code: u64, #[serde(default)] pub retry: bool }
}

impl new::User {
    fn new(id: u64) -> Self {
        Self { id, name: "new".to_owned(), address: Some(new::Address { city: "Ulm".to_owned() }) }
    }
}

impl new::Failure {
    fn new(code: u64) -> Self {
        Self { code, retry: true }
    }
}

/// What the new release makes of a user of the old one.
fn renewed(old: old::User) -> new::User {
    new::User { id: old.id, name: old.name, address: None }
}

/// What the old release makes of a user of the new one.
fn reduced(new: new::User) -> old::User {
    old::User { id: new.id, name: new.name }
}

#[tokio::test]
async fn releases_with_other_shapes_miss_each_others_entries_and_say_so_once_a_minute() {
    let server = RedisServer::start().await;
    let (old, new) = (cache_of_a_release(&server), cache_of_a_release(&server));
    let (events, origin) = (Events::capture(), Origin::default());
    for round in 0..5 {
        assert_eq!(old::user(&old, &origin, 7).await, old::User::new((2 * round + 1) * 100 + 7));
        assert_eq!(new::user(&new, &origin, 7).await, new::User::new((2 * round + 2) * 100 + 7));
    }
    let told = warnings(&events);
    assert_eq!(told.len(), 2, "one for each function: {told:?}");
    assert!(told.iter().all(|event| {
        event.field("why") == Some("written from another shape of the type") && event.field("suppressed") == Some("0")
    }));

    pass_a_minute().await;
    old::user(&old, &origin, 7).await;
    new::user(&new, &origin, 7).await;
    let told: Vec<_> = warnings(&events).split_off(2);
    let suppressed: Vec<_> = told.iter().filter_map(|event| event.field("suppressed")).collect();
    assert_eq!(suppressed, ["3", "4"], "the first call of the old release found nothing");
}

#[tokio::test]
async fn compatible_releases_read_each_others_entries() {
    let server = RedisServer::start().await;
    let (old, new) = (cache_of_a_release(&server), cache_of_a_release(&server));
    let (events, origin) = (Events::capture(), Origin::default());
    let stored = old::compatible(&old, &origin, 7).await;
    let (found, reported) = report(new::compatible(&new, &origin, 7)).await;
    assert_eq!((&found, reported.calls()[0].outcome()), (&renewed(stored.clone()), Outcome::Hit));
    let looked_at = new::compatible_entry(&new, 7).get().await.expect("the server is up");
    assert_eq!(looked_at, Some(renewed(stored)));

    let stored = new::compatible(&new, &origin, 8).await;
    let (found, reported) = report(old::compatible(&old, &origin, 8)).await;
    assert_eq!((&found, reported.calls()[0].outcome()), (&reduced(stored.clone()), Outcome::Hit));
    let looked_at = old::compatible_entry(&old, 8).get().await.expect("the server is up");
    assert_eq!(looked_at, Some(reduced(stored)));
    assert_eq!((origin.runs(), warnings(&events)), (2, Vec::new()));
}

#[tokio::test]
async fn the_cache_says_which_shapes_its_functions_read_that_do_not_say() {
    let server = RedisServer::start().await;
    let builder = || on(&server).codec(Json).shape(Shape::Compatible);
    let (old, new, origin) = (built(builder()), built(builder()), Origin::default());
    let stored = old::user(&old, &origin, 7).await;
    assert_eq!(new::user(&new, &origin, 7).await, renewed(stored));
    assert_eq!(origin.runs(), 1);

    assert_eq!(exact(&new, 7).await, new::User::new(1), "it says that it does not");
}

#[redis_cached(key = "user:<id>", shape = "exact", shared = true, cache = cache, skip(cache))]
async fn exact(cache: &Cache, id: u64) -> new::User {
    assert_eq!(id, 7);
    new::User::new(1)
}

#[tokio::test]
async fn a_stale_value_of_another_shape_is_served_and_refreshed() {
    let server = RedisServer::start().await;
    let (old, new, origin) = (cache_of_a_release(&server), cache_of_a_release(&server), Arc::new(Origin::default()));
    let stored = old::stale(&old, Arc::clone(&origin), 7).await;
    // A cache reads the server's time when it connects, and its own clock from then on.
    assert_eq!(new::stale_entry(&new, 8).get().await.expect("the server is up"), None);
    test_util::set_wall_clock_ahead(Duration::from_secs(700));
    let (found, reported) = report(new::stale(&new, Arc::clone(&origin), 7)).await;
    assert_eq!((found, reported.calls()[0].outcome()), (renewed(stored), Outcome::Stale));
    origin.has_begun(2).await;
    assert!(new.shutdown(PATIENCE).await.is_clean());
    assert_eq!(new::stale(&new, origin, 7).await, new::User::new(207));
}

#[tokio::test]
async fn a_caller_that_waits_for_another_release_reads_its_value() {
    let server = RedisServer::start().await;
    let (old, new) = (cache_of_a_release(&server), cache_of_a_release(&server));
    let (holder, follower) = (Origin::held(), Origin::default());
    let (held, (waited, reported), ()) = tokio::join!(
        old::locked(&old, &holder, 7),
        async {
            holder.has_begun(1).await;
            within("the one that waits", report(new::locked(&new, &follower, 7))).await
        },
        async {
            holder.has_begun(1).await;
            holder.let_go();
        }
    );
    assert_eq!(waited, renewed(held));
    assert!(matches!(reported.calls()[0].outcome(), Outcome::Waited | Outcome::Hit));
    assert_eq!(follower.runs(), 0);
}

#[tokio::test]
async fn an_error_of_another_shape_is_read_too() {
    let server = RedisServer::start().await;
    let (old, new) = (cache_of_a_release(&server), cache_of_a_release(&server));
    let (events, origin) = (Events::capture(), Origin::default());
    assert_eq!(old::failing(&old, &origin, 7).await, Err(old::Failure { code: 107 }));
    assert_eq!(new::failing(&new, &origin, 7).await, Err(new::Failure { code: 107, retry: false }));
    assert_eq!(new::failing_entry(&new, 7).get().await.expect("the server is up"), None, "an error is no value");
    assert_eq!((origin.runs(), warnings(&events)), (1, Vec::new()));
}

#[redis_cached(key = "user:<id>", ttl = 600, err_ttl = 600, shape = "compatible", cache = cache, skip(cache))]
async fn failing_otherwise(cache: &Cache, id: u64) -> Result<u64, Defeat> {
    Ok(id)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Defeat {
    code: u64,
}

#[tokio::test]
async fn an_error_of_another_name_is_not() {
    let server = RedisServer::start().await;
    let (old, other, events) = (cache_of_a_release(&server), cache_of_a_release(&server), Events::capture());
    old::failing(&old, &Origin::default(), 7).await.expect_err("it fails");
    assert_eq!(failing_otherwise(&other, 7).await, Ok(7));
    assert_eq!(warnings(&events)[0].field("why"), Some("written from a type of another name"));
}

mod unfit {
    use super::{Cache, Deserialize, Serialize, redis_cached};

    /// Has a field that neither release writes.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct User {
        pub id: u64,
        pub email: String,
    }

    #[redis_cached(key = "user:<id>", ttl = 600, shape = "compatible", cache = cache, skip(cache))]
    pub(super) async fn user(cache: &Cache, id: u64) -> User {
        User { id, email: "a@b.c".to_owned() }
    }
}

#[tokio::test]
async fn what_serde_refuses_is_a_miss_and_is_overwritten() {
    let server = RedisServer::start().await;
    let (old, unfit, events) = (cache_of_a_release(&server), cache_of_a_release(&server), Events::capture());
    let expected = unfit::User { id: 7, email: "a@b.c".to_owned() };
    old::compatible(&old, &Origin::default(), 7).await;
    assert_eq!(unfit::user_entry(&unfit, 7).get().await.expect("the server is up"), None);
    assert_eq!(unfit::user(&unfit, 7).await, expected);
    assert_eq!(report(unfit::user(&unfit, 7)).await.1.calls()[0].outcome(), Outcome::Hit);
    let told = warnings(&events);
    assert_eq!(told.len(), 2, "of the look and of the call: {told:?}");
    assert!(told.iter().all(|event| event.field("why").is_some_and(|why| why.contains("cannot decode"))), "{told:?}");
}

/// Stores what `old` stores, in a codec that reads one field into the other.
#[tokio::test]
async fn a_codec_that_is_not_self_describing_keeps_to_exact_and_says_so_once() {
    let server = RedisServer::start().await;
    let builder = || on(&server).codec(Bincode);
    let (old, new) = (built(builder()), built(builder()));
    let (events, origin) = (Events::capture(), Origin::default());
    old::compatible(&old, &origin, 7).await;
    for _ in 0..3 {
        assert_eq!(new::compatible(&new, &origin, 7).await, new::User::new(207));
    }
    let told = warnings(&events);
    let whys: Vec<_> = told.iter().map(|event| event.field("why")).collect();
    assert_eq!(whys, [None, None, Some("written from another shape of the type")], "{told:?}");
    for event in &told[..2] {
        assert!(
            event.message.contains("not self-describing") && event.message.contains("shape = \"exact\""),
            "{event:?}"
        );
    }
    assert_eq!((told[0].field("function"), told[1].field("function")), (Some("compatible"), Some("compatible")));
}

/// JSON, as a codec of the user's own.
struct OwnJson<const SELF_DESCRIBING: bool>;

impl<const SELF_DESCRIBING: bool> Codec for OwnJson<SELF_DESCRIBING> {
    const ID: CodecId = CodecId::custom(200);
    const SELF_DESCRIBING: bool = SELF_DESCRIBING;

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        Json::encode(value, out)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        Json::decode(bytes)
    }
}

#[redis_cached(key = "user:<id>", codec = OwnJson<true>, cache = cache, skip(cache))]
async fn written(cache: &Cache, id: u64) -> old::User {
    old::User::new(id)
}

#[redis_cached(key = "user:<id>", codec = OwnJson<false>, cache = cache, skip(cache))]
async fn silent(cache: &Cache, id: u64) -> new::User {
    new::User::new(id + 1)
}

#[redis_cached(key = "user:<id>", codec = OwnJson<true>, shape = "compatible", cache = cache, skip(cache))]
async fn describing(cache: &Cache, id: u64) -> new::User {
    new::User::new(id + 1)
}

#[tokio::test]
async fn a_codec_of_the_users_own_says_whether_it_is_self_describing() {
    let server = RedisServer::start().await;
    let cache = || built(on(&server).shape(Shape::Compatible));
    let (old, new) = (cache(), cache());
    let stored = written(&old, 7).await;
    assert_eq!(describing(&new, 7).await, renewed(stored));
    assert_eq!(silent(&cache(), 7).await, new::User::new(8));
}

#[test]
fn a_cache_whose_codec_is_not_self_describing_has_no_compatible_shapes() {
    let error =
        Cache::builder().codec(Bincode).shape(Shape::Compatible).build().expect_err("it cannot tell them apart");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("Bincode") && error.to_string().contains("`MessagePack` or `Json`"), "{error}");
}

//! Functions that use one key template in one cache share their values: the first use of the second one is an alarm, unless
//! both say that it is meant.
//!
//! These tests are built with debug assertions, so an alarm is a panic besides the event. What a release build does is in
//! the unit tests of the runtime.

use std::future::Future;

use cache_runtime::{Cache, Memory, redis_cached};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use support::{Event, Events, built};
use tracing::Level;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Dog {
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cat {
    name: String,
}

fn memory() -> Cache {
    built(Cache::builder().memory(Memory::entries(100)))
}

/// The message of the panic that a call with this cache ends in.
async fn panic_of<F: Future<Output: Send> + Send + 'static>(cache: &Cache, call: F) -> String {
    let error = tokio::spawn(cache.scope(call)).await.err().expect("the call panics");
    *error.into_panic().downcast::<String>().expect("the panic has a message")
}

/// The one error event.
fn the_error(events: &Events) -> Event {
    let errors = events.at_least(Level::ERROR);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().expect("there is one")
}

fn is_quiet(events: &Events) {
    assert_eq!(events.at_least(Level::WARN), []);
}

#[redis_cached(key = "pet:<id>")]
async fn dog(id: u64) -> Dog {
    Dog { name: format!("dog {id}") }
}

const DOG_IS_AT: u32 = line!() - 5;

#[redis_cached(key = "pet:<number>")]
async fn cat(number: u64) -> Cat {
    Cat { name: format!("cat {number}") }
}

const CAT_IS_AT: u32 = line!() - 5;

#[tokio::test]
async fn two_functions_with_one_template_are_an_alarm_that_names_both() {
    let (events, cache) = (Events::capture(), memory());
    cache.scope(dog(7)).await;
    is_quiet(&events);
    let message = panic_of(&cache, cat(7)).await;
    let error = the_error(&events);

    let place = |line| format!("tests/behavior/templates.rs:{line}:1");
    for (field, expected) in [
        ("function", "cat"),
        ("module", "behavior::templates"),
        ("place", &place(CAT_IS_AT)),
        ("template", "pet:<number>"),
        ("value_type", "behavior::templates::Cat"),
        ("other_function", "dog"),
        ("other_module", "behavior::templates"),
        ("other_place", &place(DOG_IS_AT)),
        ("other_template", "pet:<id>"),
        ("other_value_type", "behavior::templates::Dog"),
    ] {
        assert_eq!(error.field(field), Some(expected), "{field} of {error:?}");
        assert!(message.contains(expected), "{field} in: {message}");
    }
    let cure = "rename one template, or write `shared = true` on both";
    assert!(message.ends_with(cure) && error.message.ends_with(cure), "{message}\n{error:?}");
}

#[tokio::test]
async fn the_second_function_panics_at_each_call_and_the_first_one_goes_on() {
    let (events, cache) = (Events::capture(), memory());
    cache.scope(dog(7)).await;
    for _ in 0..3 {
        panic_of(&cache, cat(7)).await;
        assert_eq!(cache.scope(dog(7)).await.name, "dog 7");
        cache.scope(async { dog_entry(7).invalidate().await }).await.expect("memory does not fail");
    }
    the_error(&events);

    let cache = memory();
    cache.scope(async { dog_entry(7).invalidate().await }).await.expect("memory does not fail");
    panic_of(&cache, cat(7)).await;
    assert_eq!(cache.scope(dog(7)).await.name, "dog 7", "it came first, though not with a value");
}

#[tokio::test]
async fn each_cache_keeps_its_own_record_also_one_in_the_place_of_one_that_is_gone() {
    let (one, other) = (memory(), memory());
    for _ in 0..3 {
        one.scope(dog(7)).await;
        other.scope(cat(7)).await;
    }
    drop((one, other));
    // A cache that is made when another one is dropped often gets the same memory.
    for _ in 0..10 {
        let cache = memory();
        cache.scope(dog(7)).await;
        panic_of(&cache, cat(7)).await;
    }
}

/// More caches than a function remembers by itself.
#[tokio::test]
async fn a_function_that_alternates_between_caches_is_known_in_each() {
    let events = Events::capture();
    let caches: Vec<_> = (0..20).map(|_| memory()).collect();
    for _ in 0..3 {
        join_all(caches.iter().map(|cache| cache.scope(dog(7)))).await;
    }
    is_quiet(&events);
    panic_of(&caches[0], cat(7)).await;
    panic_of(&caches[19], cat(7)).await;
}

trait Named: Serialize + serde::de::DeserializeOwned + Send {
    fn named(name: &str) -> Self;
}

impl Named for Dog {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

impl Named for Cat {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

#[redis_cached(key = "row:<id>")]
async fn row<T: Named>(id: u64) -> Result<T, std::fmt::Error> {
    Ok(T::named(&id.to_string()))
}

#[tokio::test]
async fn a_generic_function_with_two_value_types_is_an_alarm_that_names_both_types() {
    let (events, cache) = (Events::capture(), memory());
    cache.scope(row::<Dog>(1)).await.expect("it does not fail");
    let message = panic_of(&cache, row::<Cat>(1)).await;
    let error = the_error(&events);
    assert!(message.contains("templates::Dog") && message.contains("templates::Cat"), "{message}");
    assert!(
        message.ends_with("put what tells the types apart into the template, or write `shared = true`"),
        "{message}"
    );
    assert_eq!(error.field("value_type"), Some("behavior::templates::Cat"));
}

trait Db: Sync {
    fn row(&self, id: u64) -> u64;
}

struct Postgres;
struct Sqlite;

impl Db for Postgres {
    fn row(&self, id: u64) -> u64 {
        id
    }
}

impl Db for Sqlite {
    fn row(&self, id: u64) -> u64 {
        id
    }
}

#[redis_cached(key = "of-a-database:<id>", skip(db))]
async fn of_a_database<D: Db, E: Send>(db: &D, id: u64) -> Result<u64, E> {
    Ok(db.row(id))
}

#[tokio::test]
async fn a_generic_function_with_one_value_type_is_no_alarm() {
    let (events, cache) = (Events::capture(), memory());
    let both = async {
        of_a_database::<_, String>(&Postgres, 1).await.expect("it does not fail");
        of_a_database::<_, std::fmt::Error>(&Sqlite, 1).await.expect("it does not fail");
        of_a_database_entry::<String>(1).get().await.expect("memory does not fail");
    };
    cache.scope(both).await;
    is_quiet(&events);
}

#[redis_cached(key = "meant:<id>", shared = true)]
async fn meant(id: u64) -> u64 {
    id
}

#[redis_cached(key = "meant:<id>", shared = true)]
async fn meant_too(id: u64) -> Option<u32> {
    u32::try_from(id).ok()
}

#[redis_cached(key = "meant:<id>")]
async fn not_meant(id: u64) -> u64 {
    id
}

#[redis_cached(key = "rows:<id>", shared = true)]
async fn rows<T: Named>(id: u64) -> T {
    T::named(&id.to_string())
}

#[tokio::test]
async fn functions_that_both_say_shared_are_no_alarm() {
    let (events, cache) = (Events::capture(), memory());
    let all = async {
        meant(7).await;
        meant_too(8).await;
        rows::<Dog>(7).await;
        rows::<Cat>(8).await;
    };
    cache.scope(all).await;
    is_quiet(&events);
}

#[tokio::test]
async fn one_of_two_that_says_shared_is_not_enough() {
    for _ in 0..2 {
        let cache = memory();
        cache.scope(meant(7)).await;
        panic_of(&cache, not_meant(7)).await;
        let cache = memory();
        cache.scope(not_meant(7)).await;
        panic_of(&cache, meant(7)).await;
    }
}

#[tokio::test]
async fn handles_of_entries_use_the_template_as_well() {
    let get = || async { cat_entry(7).get().await.map(drop) };
    let put = || async { cat_entry(7).put(&Cat { name: String::new() }).await };
    let invalidate = || async { cat_entry(7).invalidate().await };
    let cache = memory();
    cache.scope(dog(7)).await;
    panic_of(&cache, get()).await;
    panic_of(&cache, put()).await;
    panic_of(&cache, invalidate()).await;
    for first in [0, 1, 2] {
        let (events, cache) = (Events::capture(), memory());
        match first {
            0 => cache.scope(get()).await,
            1 => cache.scope(put()).await,
            _ => cache.scope(invalidate()).await,
        }
        .expect("memory does not fail");
        cache.scope(cat(7)).await;
        is_quiet(&events);
        panic_of(&cache, dog(7)).await;
    }
    let (events, cache) = (Events::capture(), memory());
    cache.scope(dog(7)).await;
    cache.scope(async { assert_eq!(cat_entry(7).key(), "pet:7") }).await;
    is_quiet(&events);
}

#[tokio::test]
async fn an_invalidation_fits_every_type_of_its_function() {
    let (events, cache) = (Events::capture(), memory());
    let call = async {
        row_entry::<Cat>(1).invalidate().await.expect("memory does not fail");
        row::<Dog>(1).await.expect("it does not fail");
    };
    cache.scope(call).await;
    is_quiet(&events);
}

/// What two tables have in common.
trait Table {
    async fn first(&self, id: u64) -> u64;

    #[redis_cached(key = "table:second:<id>", skip(self))]
    async fn second(&self, id: u64) -> u64 {
        id
    }
}

impl Table for Postgres {
    #[redis_cached(key = "table:first:<id>", entry = false, skip(self))]
    async fn first(&self, id: u64) -> u64 {
        id
    }
}

impl Table for Sqlite {
    #[redis_cached(key = "table:first:<id>", entry = false, skip(self))]
    async fn first(&self, id: u64) -> u64 {
        id
    }
}

#[tokio::test]
async fn the_methods_of_two_implementations_are_two_functions_and_a_default_method_is_one() {
    let (events, cache) = (Events::capture(), memory());
    cache.scope(Postgres.first(1)).await;
    cache.scope(Postgres.second(1)).await;
    cache.scope(Sqlite.second(1)).await;
    is_quiet(&events);
    let message = panic_of(&cache, async { Sqlite.first(1).await }).await;
    assert_eq!(message.matches("`first` of `behavior::templates`").count(), 2, "{message}");
}

/// What a macro makes is all in one place: that of its use.
macro_rules! cached {
    ($($name:ident: $key:literal;)*) => {$(
        #[redis_cached(key = $key)]
        async fn $name(id: u64) -> u64 {
            id
        }
    )*};
}

cached! {
    of_macro: "macro:<id>";
    again_of_macro: "macro:<id>";
    otherwise_of_macro: "macro:otherwise:<id>";
}

macro_rules! modules {
    ($($name:ident)*) => {$(
        mod $name {
            use cache_runtime::redis_cached;

            #[redis_cached(key = "modules:<id>", entry = false)]
            pub(super) async fn get(id: u64) -> u64 {
                id
            }
        }
    )*};
}

modules! { left right }

#[tokio::test]
async fn functions_that_one_macro_made_are_told_apart_by_their_names_and_modules() {
    let (events, cache) = (Events::capture(), memory());
    cache.scope(of_macro(1)).await;
    cache.scope(otherwise_of_macro(1)).await;
    cache.scope(left::get(1)).await;
    is_quiet(&events);
    let message = panic_of(&cache, again_of_macro(1)).await;
    assert!(message.contains("`of_macro`") && message.contains("`again_of_macro`"), "{message}");
    let message = panic_of(&cache, right::get(1)).await;
    assert!(message.contains("templates::left") && message.contains("templates::right"), "{message}");
}

/// Text, braces and marks that stand for themselves tell templates apart; names of parameters do not.
#[redis_cached(key = "a<<b>>:<id>")]
async fn marks(id: u64) -> u64 {
    id
}

#[redis_cached(key = "a:<id>")]
async fn no_marks(id: u64) -> u64 {
    id
}

#[redis_cached(key = "{a}:<id>")]
async fn braces(id: u64) -> u64 {
    id
}

#[redis_cached(key = "a:<id>:<part>")]
async fn two_parts(id: u64, part: u64) -> u64 {
    id + part
}

#[redis_cached(key = "a:<dog.name>")]
async fn field(dog: &Dog) -> u64 {
    dog.name.len() as u64
}

#[tokio::test]
async fn templates_that_make_different_keys_are_no_alarm() {
    let (events, cache) = (Events::capture(), memory());
    let all = async {
        marks(1).await;
        no_marks(1).await;
        braces(1).await;
        two_parts(1, 2).await;
    };
    cache.scope(all).await;
    is_quiet(&events);
    panic_of(&cache, async { field(&Dog { name: "1".to_owned() }).await }).await;
}

#[tokio::test]
async fn a_disabled_cache_mixes_up_nothing() {
    let (events, cache) = (Events::capture(), Cache::disabled());
    cache.scope(dog(7)).await;
    cache.scope(cat(7)).await;
    cache.scope(async { cat_entry(7).get().await }).await.expect("a disabled cache does not fail");
    is_quiet(&events);
}

//! Constants in keys: of type parameters, of the type around a method, of modules, and const parameters.

use cache_runtime::{Cache, KeyPart, redis_cached};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::task::yield_now;

use crate::{Runs, is_cached, is_send};

/// A row of a table, and a table of rows.
trait Row: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    const NAME: &'static str;

    fn load(id: u64) -> Self;
}

macro_rules! rows {
    ($($row:ident = $name:literal),*) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct $row {
            name: String,
        }

        impl Row for $row {
            const NAME: &'static str = $name;

            fn load(id: u64) -> Self {
                Self { name: format!("{} {id}", Self::NAME) }
            }
        }
    )*};
}
rows!(Dog = "dog", Cat = "cat", Odd = "a:b%");

static RUNS: [Runs; 4] = [const { Runs::new() }; 4];

#[redis_cached(key = "constants:row:<T::NAME>:<id>")]
async fn row<T: Row>(id: u64) -> T {
    yield_now().await;
    T::load(id)
}

#[redis_cached(key = "constants:name:<T::NAME>:<id>")]
async fn name<T: Row>(id: u64) -> String {
    RUNS[0].count();
    yield_now().await;
    format!("{}{id}", T::NAME)
}

#[redis_cached(key = "constants:page:<N>:<LAST>:<MARK>:<id>")]
async fn page<const N: usize, const LAST: bool, const MARK: char>(id: u64) -> Vec<u64> {
    yield_now().await;
    vec![id; N]
}

trait Table<D> {
    type Item: Row;
    const LIMITS: (u32, Limit);
}

#[derive(KeyPart)]
struct Limit {
    pages: u32,
}

struct Dogs;

impl<D> Table<D> for Dogs {
    type Item = Dog;
    const LIMITS: (u32, Limit) = (1, Limit { pages: 20 });
}

/// The entry function has every type that leads to a constant, also those of `where` clauses.
#[redis_cached(key = "<T::Item::NAME>:<T::LIMITS.1.pages>:<id>", detach = true, skip(db, other))]
async fn nested<T, D, O>(db: &D, other: &O, id: u64) -> u64
where
    T: Table<D>,
    D: Row,
    O: Row,
{
    RUNS[1].count();
    let _ = (db, other);
    id
}

mod schema {
    pub(super) const VERSION: u32 = 3;
    pub(super) const r#TYPE: &str = "row";
}

struct Repo<T, const SIZE: usize> {
    cache: Cache,
    row: T,
}

impl<T: Row, const SIZE: usize> Repo<T, SIZE> {
    /// A const parameter of the `impl` has a constant of its own, which a key can name.
    const PAGE: usize = SIZE;

    #[redis_cached(key = "<T::NAME>:<Self::PAGE>:<schema::VERSION>:<schema::TYPE>:<id>", cache = self.cache, skip(self))]
    async fn get(&self, id: u64) -> (u64, usize) {
        RUNS[2].count();
        yield_now().await;
        let _ = &self.row;
        (id, SIZE)
    }
}

#[async_trait::async_trait]
trait Named {
    async fn named(&self, id: u64) -> String;
}

#[async_trait::async_trait]
impl<T: Row> Named for Repo<T, 1> {
    #[redis_cached(key = "named:<T::NAME>:<Self::PAGE>:<id>", cache = &self.cache, skip(self), timeout = 5, stale_if_error = 5)]
    async fn named(&self, id: u64) -> String {
        RUNS[3].count();
        format!("{}{id}", T::NAME)
    }
}

impl<T: Row, const SIZE: usize> Clone for Repo<T, SIZE> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), row: self.row.clone() }
    }
}

fn repo<T: Row, const SIZE: usize>() -> Repo<T, SIZE> {
    Repo {
        cache: Cache::builder().memory(cache_runtime::Memory::entries(100)).build().expect("a cache in this process"),
        row: T::load(0),
    }
}

macro_rules! written_by_a_macro {
    ($name:ident, $key:literal, $type:ident) => {
        #[redis_cached(key = $key)]
        async fn $name<$type: Row, const N: usize>(id: u64) -> u64 {
            id
        }
    };
}
written_by_a_macro!(with_parameters_of_the_caller, "macro:<R::NAME>:<N>:<id>", R);

macro_rules! with_its_own_parameters {
    ($name:ident) => {
        #[redis_cached(key = "own:<R::NAME>:<N>:<id>")]
        async fn $name<R: Row, const N: usize>(id: u64) -> u64 {
            id
        }
    };
}
with_its_own_parameters!(with_parameters_of_the_macro);

#[tokio::test]
async fn two_types_of_one_function_have_keys_of_their_own() {
    assert_eq!(is_send(row::<Dog>(1)).await, Dog::load(1));
    assert_eq!(is_send(row::<Cat>(1)).await, Cat::load(1));
    assert_eq!(row::<Dog>(1).await, Dog::load(1));
    assert_eq!(row_entry::<Dog>(1).key(), "constants:row:dog:1");
    assert_eq!(row_entry::<Cat>(1).key(), "constants:row:cat:1");
    assert_eq!(row_entry::<Cat>(1).get().await.unwrap(), Some(Cat::load(1)));
}

#[tokio::test]
async fn a_constant_is_escaped_as_a_parameter_is() {
    assert_eq!(row_entry::<Odd>(1).key(), "constants:row:a%3Ab%25:1");
}

#[tokio::test]
async fn the_entry_has_a_type_that_only_the_key_names() {
    is_cached(&RUNS[0], |id| is_send(name::<Dog>(id)), |id| format!("dog{id}")).await;
    assert_eq!(name_entry::<Dog>(1).get().await.unwrap().as_deref(), Some("dog1"));
    assert_eq!(name_entry::<Cat>(1).get().await.unwrap(), None);
}

#[tokio::test]
async fn const_parameters_stand_in_a_key() {
    assert_eq!(page::<2, true, '/'>(1).await, [1, 1]);
    assert_eq!(page::<3, true, '/'>(1).await, [1, 1, 1]);
    assert_eq!(page_entry::<2, false, '/'>(1).key(), "constants:page:2:false:%2F:1");
    assert_eq!(page_entry::<3, true, '/'>(1).get().await.unwrap(), Some(vec![1, 1, 1]));
}

#[tokio::test]
async fn constants_of_associated_types_and_their_fields() {
    let (db, other) = (Cat::load(1), Odd::load(1));
    is_cached(&RUNS[1], |id| is_send(nested::<Dogs, _, _>(&db, &other, id)), |id| id).await;
    assert_eq!(nested_entry::<Dogs, Cat>(1).key(), "dog:20:1");
    assert_eq!(nested_entry::<Dogs, Cat>(1).get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn constants_of_the_type_around_a_method_and_of_modules() {
    let repo = repo::<Dog, 20>();
    is_cached(&RUNS[2], |id| is_send(repo.get(id)), |id| (id, 20)).await;
    assert_eq!(repo.get_entry(1).key(), "dog:20:3:row:1");
}

#[tokio::test]
async fn constants_under_async_trait() {
    let repo = repo::<Cat, 1>();
    is_cached(&RUNS[3], |id| is_send(repo.named(id)), |id| format!("cat{id}")).await;
}

#[tokio::test]
async fn constants_in_functions_that_a_macro_writes() {
    assert_eq!(with_parameters_of_the_caller::<Dog, 1>(1).await, 1);
    assert_eq!(with_parameters_of_the_caller_entry::<Cat, 7>(1).key(), "macro:cat:7:1");
    assert_eq!(with_parameters_of_the_macro::<Dog, 1>(1).await, 1);
    assert_eq!(with_parameters_of_the_macro_entry::<Cat, 7>(1).key(), "own:cat:7:1");
}

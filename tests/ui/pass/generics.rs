//! Generics, lifetimes, where clauses and const generics. The entry function has those that it needs, so that the type
//! of a skipped parameter need not be named where an entry is used.
#![deny(warnings)]

use std::borrow::Cow;
use std::fmt::Display;

use cache_runtime::{KeyPart, redis_cached};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub trait Load<T>: Sync {
    type Error;
    fn load(&self, id: &str) -> impl Future<Output = Result<T, Self::Error>> + Send;
}

#[redis_cached(key = "skipped:<id>", skip(db))]
pub async fn skipped<D: Display>(db: &D, id: u64) -> String {
    format!("{db}{id}")
}

#[redis_cached(key = "kept:<id>", skip(db))]
pub async fn kept<'d, D, I>(db: &'d D, id: &I) -> Result<String, D::Error>
where
    D: Load<String>,
    I: KeyPart + Display + ?Sized,
{
    db.load(&id.to_string()).await
}

#[redis_cached(key = "returned:<id>", skip(parse))]
pub async fn returned<T, F>(id: u64, parse: F) -> T
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: FnOnce(u64) -> T,
{
    parse(id)
}

#[redis_cached(key = "const:<id>")]
pub async fn constant<const N: usize>(id: u64) -> Vec<u64> {
    vec![id; N]
}

#[redis_cached(key = "bytes:<bytes>")]
pub async fn bytes<const N: usize>(bytes: [u8; N]) -> usize {
    bytes.len()
}

#[redis_cached(key = "lifetime:<name>")]
pub async fn lifetime<'n>(name: &'n str) -> Cow<'n, str> {
    Cow::Owned(name.to_owned())
}

#[redis_cached(key = "elided:<name>")]
pub async fn elided(name: &str) -> Cow<'_, str> {
    Cow::Owned(name.to_owned())
}

pub struct Repo<'p, T> {
    pub name: &'p str,
    pub value: T,
}

impl<T> Repo<'_, T>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    #[redis_cached(key = "repo:<self.name>:<id>")]
    pub async fn get(&self, id: u64) -> Option<T> {
        let _ = id;
        Some(self.value.clone())
    }
}

async fn entries<D: Load<String>>(repo: &Repo<'_, u8>) {
    let _ = skipped_entry(7).invalidate().await;
    let _ = kept_entry::<D, str>("a").invalidate().await;
    let _: Result<Option<u8>, _> = returned_entry::<u8>(1).get().await;
    let _ = constant_entry(7).invalidate().await;
    let _ = bytes_entry([1, 2, 3]).invalidate().await;
    let _ = lifetime_entry("a").invalidate().await;
    let _ = elided_entry("a").invalidate().await;
    let _ = repo.get_entry(7).invalidate().await;
    let _ = constant::<4>(7).await;
}

struct Db;

impl Load<String> for Db {
    type Error = ();
    async fn load(&self, id: &str) -> Result<String, ()> {
        Ok(id.to_owned())
    }
}

fn main() {
    drop(entries::<Db>(&Repo { name: "a", value: 1 }));
    drop(kept(&Db, "a"));
}

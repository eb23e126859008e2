//! Entries: whatever is at the key, the function's caller gets the function's value, and what this library did not write is
//! overwritten only where the cache allows that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{Commit, EndRequest, Ended, HEADER_LEN, LeaseRequest, Leased, Token, WriteRequest};
use cache_runtime::{Cache, CacheBuilder, Error, Store, redis_cached};
use serde::{Deserialize, Serialize};
use support::built;

use crate::mutate::fuzz;

/// Shows what the test put there, and keeps what is stored.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) entry: Mutex<Option<Bytes>>,
    pub(crate) stored: Mutex<Option<Bytes>>,
}

pub(crate) struct Shelf(pub(crate) std::sync::Arc<Shown>);

pub(crate) fn set(place: &Mutex<Option<Bytes>>, entry: Option<Bytes>) -> Option<Bytes> {
    std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), entry)
}

impl Store for Shelf {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, Error> {
        Ok(set(&self.0.entry, None))
    }

    async fn lease(&self, _: &str, _: &LeaseRequest) -> Result<Leased, Error> {
        Ok(Leased::Granted)
    }

    async fn renew(&self, _: &str, _: Token, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn commit(&self, _: &str, _: Token, entry: Bytes, _: Duration) -> Result<Commit, Error> {
        set(&self.0.stored, Some(entry));
        Ok(Commit::Stored)
    }

    async fn release(&self, _: &str, _: Token, _: Duration) -> Result<(), Error> {
        Ok(())
    }

    async fn begin_write(&self, _: &str, request: &WriteRequest) -> Result<Token, Error> {
        Ok(request.generation())
    }

    async fn renew_write(&self, _: &str, _: Token, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn end_write(&self, _: &str, _: &EndRequest) -> Result<Ended, Error> {
        Ok(Ended::Stored)
    }

    async fn remove(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u32,
    names: Vec<String>,
    price: Option<f64>,
}

fn row() -> Row {
    Row { id: 70_000, names: vec!["teapot".to_owned(), "blue teapot teapot teapot".to_owned()], price: Some(9.5) }
}

// A `None` and an error are answers too, for which no damaged value must be taken.
#[redis_cached(key = "row", ttl = 600, cache = cache, skip(cache))]
async fn found(cache: &Cache) -> Result<Option<Row>, String> {
    Ok(Some(row()))
}

/// What every entry of this library begins with.
const MAGIC: u8 = 0xCA;

fn no_entry_makes_another_value(builder: CacheBuilder, overwrites_foreign: bool) {
    let shown = std::sync::Arc::new(Shown::default());
    let builder = builder.overwrite_foreign(overwrites_foreign);
    let cache = built(builder.store(Shelf(std::sync::Arc::clone(&shown))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let call = || runtime.block_on(found(&cache));
    assert_eq!(call(), Ok(Some(row())));
    let whole = set(&shown.stored, None).expect("it was stored");

    set(&shown.entry, Some(whole.clone()));
    assert_eq!(call(), Ok(Some(row())));
    assert_eq!(set(&shown.stored, None), None, "what is whole is a hit");

    // Leases are entries too: the header alone.
    fuzz(&[whole.to_vec(), whole[..HEADER_LEN].to_vec()], |entry| {
        set(&shown.entry, Some(Bytes::copy_from_slice(entry)));
        assert_eq!(call(), Ok(Some(row())));
        let overwritten = set(&shown.stored, None).is_some();
        if entry.first() != Some(&MAGIC) {
            assert_eq!(overwritten, overwrites_foreign, "{entry:?}");
        }
    });
}

#[test]
fn no_entry_makes_a_function_return_another_value() {
    for overwrites_foreign in [false, true] {
        no_entry_makes_another_value(Cache::builder(), overwrites_foreign);
    }
}

#[test]
fn no_compressed_entry_makes_a_function_return_another_value() {
    for overwrites_foreign in [false, true] {
        no_entry_makes_another_value(Cache::builder().compress_above(0), overwrites_foreign);
    }
}

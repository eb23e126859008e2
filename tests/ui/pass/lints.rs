//! No lint speaks up about the expansion: everything is denied, the pedantic ones of clippy too.
#![deny(
    warnings,
    missing_docs,
    unused,
    rust_2018_idioms,
    unused_qualifications,
    unreachable_pub,
    single_use_lifetimes,
    let_underscore_drop,
    elided_lifetimes_in_paths,
    trivial_casts,
    unused_lifetimes,
    unused_results,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::unwrap_used,
    clippy::items_after_statements,
    clippy::used_underscore_binding,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::absolute_paths
)]
#![forbid(unsafe_code)]

use std::fmt::{Display, Error};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_runtime::{Cache, KeyPart, MessagePack, redis_cached};
use tokio::task::yield_now;

/// A database.
#[derive(Clone, Debug)]
pub struct Db {
    name: String,
}

/// Reads.
#[redis_cached(key = "user:<id>:<name>", ttl = 600, jitter = 0.1, lock = true, skip(db))]
pub async fn get_user(db: &Db, id: u64, name: String) -> Option<String> {
    use std::fmt::Write as _;
    const SEPARATOR: char = ':';
    let mut text = db.name.clone();
    write!(text, "{SEPARATOR}{id}{name}").ok()?;
    yield_now().await;
    Some(text)
}

/// Reads what other releases wrote.
#[redis_cached(key = "compatible:<id>", codec = MessagePack, shape = "compatible")]
pub async fn compatible(id: u64) -> Option<String> {
    yield_now().await;
    Some(id.to_string())
}

/// Says one thing.
#[redis_cached(key = "one")]
pub async fn one() -> u64 {
    yield_now().await;
    1
}

/// Borrows.
#[redis_cached(key = "borrowed:<name>", skip(db))]
pub async fn borrowed<'a>(db: &'a Db, name: &'a str) -> usize {
    yield_now().await;
    db.name.len() + name.len()
}

/// Reads, in a task.
#[redis_cached(
    key = "detached:<id>:<name>",
    stale_while_revalidate = 60,
    timeout = "2s",
    early_refresh = 1.0,
    none_ttl = 1,
    cache_if = |text| !text.is_empty(),
    skip(db)
)]
pub async fn detached(mut db: &Db, id: u64, name: &str) -> Option<String> {
    if db.name.is_empty() {
        db = db.other();
    }
    yield_now().await;
    Some(format!("{}{id}{name}", db.name))
}

/// Reads what may be kept.
#[redis_cached(key = "hooks:<id>", ttl = |value| Duration::from_secs(*value), err_ttl = 1, stale_if_error = 60)]
pub async fn hooks(id: u64) -> Result<u64, String> {
    yield_now().await;
    Ok(id)
}

/// A row of a table.
pub trait Row {
    /// The name of the table.
    const NAME: &'static str;
}

/// Counts rows.
#[redis_cached(key = "rows:<T::NAME>:<N>:<id>", skip(db, trace))]
pub async fn count<T: Row, const N: usize>(db: &Db, id: u64, #[cfg(not(any()))] trace: &str) -> usize {
    yield_now().await;
    T::NAME.len() + db.name.len() + trace.len() + N
}

/// Has one value for all pages.
#[expect(unused_must_use, reason = "the page only says what is logged")]
#[redis_cached(key = "pages", skip(page))]
pub async fn pages(page: u32) -> u32 {
    yield_now().await;
    page
}

/// Has a cache of its own.
#[derive(Clone, Debug)]
pub struct Service {
    pages: Cache,
    shared: Arc<Cache>,
}

impl Service {
    /// Reads from the one.
    #[redis_cached(key = "page:<id>", cache = self.pages, skip(self))]
    pub async fn page(&self, id: u64) -> u64 {
        yield_now().await;
        id
    }

    /// Reads from the other.
    #[redis_cached(key = "shared:<id>", cache = &self.shared, timeout = 1, skip(self))]
    pub async fn shared(&self, id: u64) -> Result<u64, cache_runtime::Error> {
        yield_now().await;
        Ok(id)
    }
}

/// Reads from the one that it is given.
#[redis_cached(key = "given:<id>", cache = cache, skip(cache))]
pub async fn given(cache: Cache, id: u64) -> u64 {
    yield_now().await;
    drop(cache);
    id
}

impl Db {
    const fn other(&self) -> &Self {
        self
    }

    /// Reads, in a task.
    #[redis_cached(key = "detached:<self.name>:<id>", detach = true, skip(pair))]
    pub async fn detached(&self, id: u64, (pair, _): &(String, u64)) -> String {
        const fn twice(id: u64) -> u64 {
            id * 2
        }
        yield_now().await;
        format!("{}{}{pair}", self.name, twice(id))
    }

    /// Reads.
    #[redis_cached(key = "method:<id>", skip(self))]
    pub async fn method(&self, id: u64) -> u64 {
        yield_now().await;
        id + u64::from(self.name.is_empty())
    }

    /// Reads, for this crate.
    #[redis_cached(key = "method:<self.name>:<ids>")]
    pub(crate) async fn for_crate(&self, ids: Vec<u64>) -> usize {
        yield_now().await;
        ids.len()
    }

    #[redis_cached(key = "private:<id>:<names>", ttl = "1m", lock(wait = 1), skip(self))]
    async fn private(&self, id: String, names: &[String]) -> usize {
        yield_now().await;
        self.name.len() + id.len() + names.len()
    }
}

/// Reads, in a trait.
pub trait Read {
    /// Reads.
    fn read(&self, id: u64) -> impl Future<Output = Option<u64>> + Send;
}

impl Read for Db {
    #[redis_cached(key = "read:<self.name>:<id>", entry = false)]
    async fn read(&self, id: u64) -> Option<u64> {
        yield_now().await;
        (self.name.len() > 1).then_some(id)
    }
}

/// Reads, in a trait that can be an object.
#[async_trait]
pub trait ReadAny {
    /// Reads.
    async fn read_any(&self, pair: (u64, u64), name: &str) -> Result<u64, Error>;
    /// Reads what is shared.
    async fn read_shared(self: Arc<Self>, id: u64) -> u64;
    /// Reads in a task.
    async fn read_detached(&self, name: &str, id: u64) -> u64;
}

#[async_trait]
impl ReadAny for Db {
    #[redis_cached(key = "any:<id>:<name>", ttl = 60, skip(self, more))]
    async fn read_any(&self, (id, more): (u64, u64), name: &str) -> Result<u64, Error> {
        yield_now().await;
        if name.is_empty() {
            return Err(Error);
        }
        Ok(id + more)
    }

    #[redis_cached(key = "detached:any:<self.name>:<id>", timeout = 1, stale_if_error = 60, skip(name))]
    async fn read_detached(&self, name: &str, mut id: u64) -> u64 {
        yield_now().await;
        id += 1;
        id + u64::from(self.name.as_str() == name)
    }

    #[redis_cached(key = "shared:<self.name>:<id>")]
    async fn read_shared(self: Arc<Self>, id: u64) -> u64 {
        yield_now().await;
        id
    }
}

/// Returns a box.
#[redis_cached(key = "boxed:<id>")]
pub fn boxed(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    let twice = id * 2;
    Box::pin(async move {
        yield_now().await;
        twice
    })
}

/// Takes anything.
///
/// # Errors
///
/// Where there are no bytes.
#[redis_cached(key = "generic:<id>:<bytes>")]
pub async fn generic<T, const N: usize>(id: T, bytes: [u8; N]) -> Result<String, Error>
where
    T: KeyPart + Display + Send,
{
    yield_now().await;
    if bytes.is_empty() { Err(Error) } else { Ok(id.to_string()) }
}

fn main() {
    let db = Db { name: String::new() };
    drop((db.private(String::new(), &[]), db.private_entry(String::new(), &[])));
    drop((db.for_crate(vec![1]), db.for_crate_entry(vec![1]), db.method_entry(1)));
}

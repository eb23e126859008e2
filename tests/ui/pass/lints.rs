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

use cache_runtime::redis_cached;
use tokio::task::yield_now;

/// A database.
#[derive(Debug)]
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

impl Db {
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

fn main() {
    let db = Db { name: String::new() };
    drop((db.private(String::new(), &[]), db.private_entry(String::new(), &[])));
    drop((db.for_crate(vec![1]), db.for_crate_entry(vec![1]), db.method_entry(1)));
}

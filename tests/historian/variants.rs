//! The cached functions that a history is made with.
//!
//! All have the same key, so that a key of the origin can be read through one of them alone or through all of them in
//! turn: a fill under one policy then meets fills, refreshes and invalidations under the others.

use std::pin::Pin;

use cache_runtime::{Error, Json, redis_cached};

use crate::load::{Failure, Origin};

type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// A cached function, and what the entry beside it does.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) read: for<'r> fn(&'r Origin, &'r str) -> Boxed<'r, Result<u64, Failure>>,
    pub(crate) invalidate: fn(&str) -> Boxed<'_, Result<(), Error>>,
}

/// What stands at the cache for a key of the origin.
pub(crate) fn cache_key(key: &str) -> String {
    waits::entry(key).key().to_owned()
}

/// Declares cached functions by their names and the arguments of the attribute.
macro_rules! variants {
    ($($name:ident: [$($arguments:tt)+]),+ $(,)?) => {
        $(mod $name {
            use super::*;

            #[redis_cached(key = "history:<key>", shared = true, skip(origin), entry = entry, $($arguments)+)]
            pub(super) async fn read(origin: &Origin, key: &str) -> Result<u64, Failure> {
                origin.load(key).await
            }
        })+

        pub(crate) static VARIANTS: &[Variant] = &[$(Variant {
            name: stringify!($name),
            read: |origin, key| Box::pin($name::read(origin, key)),
            invalidate: |key| Box::pin(async move { $name::entry(key).invalidate().await }),
        }),+];
    };
}

variants! {
    waits: [ttl = 600, lock(wait = "2s", lease = "100ms")],
    runs: [ttl = 600],
    expires: [ttl = "30ms", lock(wait = "2s", lease = "100ms")],
    expires_and_runs: [ttl = "30ms"],
    gives_up: [ttl = 600, lock(wait = "5ms", lease = "20ms")],
    revalidates: [ttl = "30ms", stale_while_revalidate = "10m", lock(wait = "2s", lease = "100ms")],
    refreshes_early: [ttl = "200ms", early_refresh = 10.0],
    outlives_errors: [ttl = "30ms", stale_if_error = "10m", lock(wait = "2s", lease = "100ms")],
    has_a_task: [ttl = "30ms", detach = true],
    other_bytes: [ttl = 600, lock(wait = "2s", lease = "100ms"), codec = Json],
}

//! The cached functions that are called while something breaks: one for each policy that meets an outage in its own way.

use std::pin::Pin;

use cache_runtime::{Error, redis_cached};

use crate::origin::{Failure, Origin, Value};

type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// A cached function, and the invalidation beside it.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) read: for<'r> fn(&'r Origin, &'r str) -> Boxed<'r, Result<Value, Failure>>,
    pub(crate) invalidate: fn(&str) -> Boxed<'_, Result<(), Error>>,
}

/// Declares cached functions by their names and the arguments of the attribute.
macro_rules! functions {
    ($($name:ident: [$($arguments:tt)+]),+ $(,)?) => {
        $(mod $name {
            use super::*;

            #[redis_cached(key = "chaos:<key>", shared = true, skip(origin), entry = entry, $($arguments)+)]
            pub(super) async fn read(origin: &Origin, key: &str) -> Result<Value, Failure> {
                Ok(origin.load(key).await)
            }
        })+

        pub(crate) static FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            read: |origin, key| Box::pin($name::read(origin, key)),
            invalidate: |key| Box::pin(async move { $name::entry(key).invalidate().await }),
        }),+];
    };
}

// The driver knows how long a call may wait for another process: see `CALLER_LOCK_WAIT`.
functions! {
    long: [ttl = 600],
    long_and_locked: [ttl = 600, lock(wait = "300ms", lease = "300ms")],
    short: [ttl = "80ms"],
    short_and_locked: [ttl = "80ms", lock(wait = "300ms", lease = "300ms")],
    revalidated: [ttl = "80ms", stale_while_revalidate = "10m", stale_if_error = "10m"],
}

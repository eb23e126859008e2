//! The attribute on every kind of function that people write, in the in-memory store: each kind runs its body once for
//! a key, keeps different keys apart, and keeps its signature. Compiled in editions 2021 and 2024.

mod attributes;
mod axum_handlers;
mod bodies;
mod boxed;
mod caches;
mod constants;
mod derived_key_parts;
mod detached;
mod hooks;
mod matrix;
mod parameters;
mod receivers;
mod returns;
mod shadowed_names;
mod traits;

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts how often the body of a function ran.
#[derive(Debug, Default)]
pub(crate) struct Runs(AtomicUsize);

impl Runs {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Called by the body.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Calls twice with one key and once with another: two runs in all, and the values that the bodies made.
pub(crate) async fn is_cached<T: Debug + PartialEq, F: Future<Output = T>>(
    runs: &Runs,
    mut call: impl FnMut(u64) -> F,
    expected: impl Fn(u64) -> T,
) {
    for (key, runs_so_far) in [(1, 1), (1, 1), (2, 2), (1, 2), (2, 2)] {
        assert_eq!(call(key).await, expected(key), "the value of {key}");
        assert_eq!(runs.get(), runs_so_far, "after the call with {key}");
    }
}

/// Compiles where the future may be sent to another thread.
pub(crate) fn is_send<F: Future + Send>(future: F) -> F {
    future
}

//! Attributes and documentation stay on the function; a function that is configured away takes its entry along.
#![deny(warnings, missing_docs)]

use cache_runtime::redis_cached;

/// Documented.
#[redis_cached(key = "documented:<id>")]
#[inline]
pub async fn documented(
    #[allow(unused_variables)]
    id: u64,
) -> u64 {
    7
}

#[redis_cached(key = "gone:<id>")]
#[cfg(any())]
pub async fn gone(id: Missing) -> Missing {
    id
}

/// Replaces the other one.
pub fn gone_entry() {}

/// Unsafe, and so it stays.
///
/// # Safety
///
/// None needed.
#[redis_cached(key = "unsafe:<id>")]
pub async unsafe fn dangerous(id: u64) -> u64 {
    id
}

/// Safe again.
#[redis_cached(key = "unsafe block:<id>")]
pub async fn unsafe_block(id: u64) -> u64 {
    // SAFETY: the future is awaited at once.
    unsafe { dangerous(id) }.await
}

fn main() {
    drop(unsafe_block(1));
    drop((documented(1), documented_entry(1), gone_entry(), dangerous_entry(1)));
}

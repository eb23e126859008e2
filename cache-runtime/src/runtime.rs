//! The tokio runtime that a call is in, and what the cache can do there.
//!
//! What waits needs timers, and connections need I/O; a runtime has both only if it was built with them. Tokio says so by
//! panicking, and has no other way to ask. So a runtime is asked for a timer once, before anything waits in it, and the
//! panic is caught. The hook for panics of the program sees it: by default it prints tokio's message, which names the
//! missing call. In a program that aborts on panics nothing can be caught.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};

use crate::error::{Error, ErrorKind};
use crate::observe;

/// What a runtime can lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Timers,
    Io,
}

/// How many runtimes are remembered that lack something: a program has one or two, and a test suite one for each test.
const REMEMBERED: usize = 1_024;

/// The runtimes that were found to lack something, the latest ones.
static LACKING: Mutex<Vec<(Id, Lack)>> = Mutex::new(Vec::new());

thread_local! {
    /// The last runtime of this thread that was found to have timers.
    static HAS_TIMERS: Cell<Option<Id>> = const { Cell::new(None) };
}

/// The runtime that this call is in.
pub(crate) fn current() -> Result<Handle, Error> {
    Handle::try_current()
        .map_err(|error| Error::new(ErrorKind::Unavailable, "the store needs a tokio runtime").with_source(error))
}

/// The runtime that this call is in, if it has timers: whatever waits needs them.
pub(crate) fn with_timers() -> Result<Handle, Error> {
    let runtime = current()?;
    if has_timers(runtime.id()) { Ok(runtime) } else { Err(lacks(Lack::Timers)) }
}

/// The runtime that this call is in, if it has timers, and is not known to have no I/O.
pub(crate) fn with_connections() -> Result<Handle, Error> {
    let runtime = with_timers()?;
    if lacking().contains(&(runtime.id(), Lack::Io)) { Err(lacks(Lack::Io)) } else { Ok(runtime) }
}

/// Whether this is what tokio says when a runtime has no I/O.
pub(crate) fn says_no_io(panic: &(dyn std::any::Any + Send)) -> bool {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.is_some_and(|text| text.contains("IO is disabled"))
}

/// The runtime that this call is in lacks that.
pub(crate) fn found_lacking(lack: Lack) {
    if let Ok(runtime) = current() {
        remember(runtime.id(), lack);
    }
}

fn has_timers(runtime: Id) -> bool {
    if HAS_TIMERS.get() == Some(runtime) {
        return true;
    }
    if lacking().contains(&(runtime, Lack::Timers)) {
        return false;
    }
    let timer = catch_unwind(AssertUnwindSafe(|| drop(tokio::time::sleep(Duration::ZERO))));
    match timer {
        Ok(()) => HAS_TIMERS.set(Some(runtime)),
        Err(_) => remember(runtime, Lack::Timers),
    }
    timer.is_ok()
}

fn remember(runtime: Id, lack: Lack) {
    let mut lacking = lacking();
    if !lacking.contains(&(runtime, lack)) {
        if lacking.len() == REMEMBERED {
            lacking.remove(0);
        }
        lacking.push((runtime, lack));
        drop(lacking);
        observe::runtime_lacks(lack);
    }
}

fn lacks(lack: Lack) -> Error {
    let (what, cure) = match lack {
        Lack::Timers => ("timers", "`enable_time()`"),
        Lack::Io => ("I/O", "`enable_io()`"),
    };
    let context = format!("the tokio runtime has no {what}: build it with `enable_all()` or {cure}");
    Error::new(ErrorKind::Unavailable, context)
}

fn lacking() -> MutexGuard<'static, Vec<(Id, Lack)>> {
    LACKING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_runtime_without_timers_is_found_out_and_does_not_hide_one_with_timers() {
        let without = Builder::new_current_thread().build().expect("a runtime");
        let with = Builder::new_current_thread().enable_time().build().expect("a runtime");
        for _ in 0..2 {
            let error = without.block_on(async { with_timers() }).expect_err("it has none");
            assert!(error.to_string().contains("`enable_all()`"), "{error}");
            assert!(without.block_on(async { current() }).is_ok());
            assert!(with.block_on(async { with_connections() }).is_ok());
        }
        assert_eq!(current().expect_err("there is no runtime").kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn what_is_remembered_of_runtimes_is_bounded() {
        for _ in 0..=REMEMBERED {
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async { found_lacking(Lack::Io) });
        }
        assert_eq!(lacking().len(), REMEMBERED);
    }
}

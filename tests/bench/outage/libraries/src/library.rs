//! What the libraries have in common: the function that is cached, and how the cells call it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hitbox_fn::CacheableResponse;
use serde::{Deserialize, Serialize};

/// How long the body takes: what a slow query would.
const LOAD: Duration = Duration::from_millis(200);

/// How often the body ran in this process.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// A library under test: connected, with its macro on a function whose body is [`load`].
pub(crate) trait Library: Sized + Send + Sync + 'static {
    /// What a program does once, at its start.
    fn connect(url: &str) -> impl Future<Output = Result<Self, String>> + Send;

    /// One call of the cached function.
    fn call(&self, id: u64) -> impl Future<Output = Result<Report, String>> + Send;
}

/// A small value.
#[derive(Clone, Debug, Serialize, Deserialize, CacheableResponse)]
pub(crate) struct Report {
    /// The argument of the call.
    pub(crate) id: u64,
    /// Something to encode.
    pub(crate) title: String,
}

/// The body of the cached function, the same under every macro.
pub(crate) async fn load(id: u64) -> Report {
    RUNS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(LOAD).await;
    Report { id, title: format!("report {id}") }
}

/// How often the body ran so far.
pub(crate) fn runs() -> usize {
    RUNS.load(Ordering::Relaxed)
}

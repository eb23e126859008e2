//! What the behaviour tests stand on: real servers, second processes, counted commands and captured events.
//!
//! - [`RedisServer`]: a server of the test's own on a free port, killed with the test; it can be paused, killed, restarted.
//! - [`RedisCluster`]: several that share the hash slots.
//! - [`Commands`] and [`Traffic`]: what the server was asked, by its own statistics and by its own `MONITOR`.
//! - [`Liar`]: a server that lies on cue.
//! - [`FailingStore`]: a store that fails on cue, for what takes an hour.
//! - [`Proxy`]: what stands between a cache and its server, and its bad days.
//! - [`Stage`]: a cache on each kind of store, so that one case runs on all of them.
//! - [`Origin`]: the work behind a cached function: counted, and held as long as the test wants.
//! - [`LossyProxy`]: a way to a server that loses an answer.
//! - [`CALLER_DEADLINE`]: what the program `caller` and who drives it agree on.
//! - [`Wide`]: a value that takes much stack to decode, and [`on_a_small_stack`], which has no more than tokio's threads.
//! - [`Worker`]: a second process, for what one process cannot show.
//! - [`Operation`]: a line of the history that several processes make together; [`Begun`] writes it down, [`check`] finds
//!   the reads that returned what had been invalidated.
//! - [`Events`]: the `tracing` events of the thread that runs the test.

#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "test support fails by panicking, and says why where it does"
)]

mod caller;
mod checker;
mod commands;
mod events;
mod failing_store;
mod liar;
mod lossy_proxy;
mod nested;
mod operation;
mod origin;
mod own_store;
mod proxy;
mod record;
mod redis_cluster;
mod redis_server;
mod stage;
mod worker;

use std::time::Duration;

pub use caller::{CALLER_BODIES, CALLER_DEADLINE, CALLER_LOCK_WAIT};
pub use checker::{Violation, check, contended};
pub use commands::{Commands, Traffic};
pub use events::{Event, Events};
pub use failing_store::{FailingStore, Mood};
pub use liar::{Liar, Lie, On};
pub use lossy_proxy::LossyProxy;
pub use nested::{THREAD_STACK, Wide, on_a_small_stack};
pub use operation::{Kind, Operation, monotonic};
pub use origin::Origin;
pub use own_store::OwnStore;
pub use proxy::{Fault, Proxy};
pub use record::{Begun, say};
pub use redis_cluster::RedisCluster;
pub use redis_server::RedisServer;
pub use stage::{Stage, built, cache_on};
pub use worker::Worker;

/// The bound of every wait on another process: far above what a loaded machine needs, so that passing it means "hung".
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits `future` for at most [`PATIENCE`]; `what` completes the sentence "gave up waiting for …".
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let output = tokio::time::timeout(PATIENCE, future).await;
    output.unwrap_or_else(|_| panic!("gave up waiting for {what} after {PATIENCE:?}"))
}

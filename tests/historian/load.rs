//! The origin: the versions of keys on a server of their own, and the body that reads them.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use support::{Begun, Kind};

/// One body in so many fails.
const FAILURES: f64 = 0.02;

/// One body in so many outlives the short leases, and most pauses.
const LONG_RUNS: f64 = 0.04;

/// What a body that fails returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failure;

/// The versions of keys. Nothing happens to the server that they are on.
#[derive(Clone)]
pub(crate) struct Origin {
    connection: MultiplexedConnection,
}

impl Origin {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("the server's URL is well formed");
        Self { connection: client.get_multiplexed_async_connection().await.expect("the origin is up") }
    }

    /// The body of every cached function: reads the version, and takes its time before and after.
    pub(crate) async fn load(&self, key: &str) -> Result<u64, Failure> {
        let begun = Begun::now();
        pause(0..3_000).await;
        let mut connection = self.connection.clone();
        let version: Option<u64> =
            redis::cmd("GET").arg(key).query_async(&mut connection).await.expect("the origin is up");
        let version = version.unwrap_or(0);
        begun.ended(Kind::Load, key, version, "-");
        let longest = if fastrand::f64() < LONG_RUNS { 400_000 } else { 12_000 };
        pause(0..longest).await;
        if fastrand::f64() < FAILURES { Err(Failure) } else { Ok(version) }
    }

    /// Writes the key: its new version.
    pub(crate) async fn write(&self, key: &str) -> u64 {
        let mut connection = self.connection.clone();
        redis::cmd("INCR").arg(key).query_async(&mut connection).await.expect("the origin is up")
    }
}

/// Takes some microseconds, or, half of the time, none.
async fn pause(micros: std::ops::Range<u64>) {
    if fastrand::bool() {
        tokio::time::sleep(Duration::from_micros(fastrand::u64(micros))).await;
    }
}

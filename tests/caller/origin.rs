//! The origin: the versions of keys on a server of their own, to which nothing happens.

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use support::{Begun, Kind};

/// A body takes so many milliseconds after it has read: so long that callers and invalidations of its key come meanwhile.
const BODY: std::ops::Range<u64> = 10..40;

/// What is cached: a version, and the key that it is of, so that another key's value shows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) key: String,
    pub(crate) version: u64,
}

/// What a body would fail with. None does.
#[derive(Debug)]
pub(crate) struct Failure;

/// The versions of keys.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    connection: MultiplexedConnection,
}

impl Origin {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("the server's URL is well formed");
        // Nothing happens to the origin but that its machine is busy.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connected = client.get_multiplexed_async_connection_with_config(&config).await;
        Self { connection: connected.expect("the origin is up") }
    }

    /// The body of every cached function. It is written down with the time that it took as a whole.
    pub(crate) async fn load(&self, key: &str) -> Value {
        let begun = Begun::now();
        let mut connection = self.connection.clone();
        let version: Option<u64> =
            redis::cmd("GET").arg(key).query_async(&mut connection).await.expect("the origin is up");
        let version = version.unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(BODY))).await;
        begun.ended(Kind::Load, key, version, "-");
        Value { key: key.to_owned(), version }
    }

    /// Writes the key: its new version.
    pub(crate) async fn write(&self, key: &str) -> u64 {
        let mut connection = self.connection.clone();
        redis::cmd("INCR").arg(key).query_async(&mut connection).await.expect("the origin is up")
    }
}

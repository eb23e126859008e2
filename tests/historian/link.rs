//! A connection that is made anew after it was killed.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisResult};
use tokio::sync::Mutex;

/// A server, and the connection to it while there is one.
pub(crate) struct Link {
    client: redis::Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(crate) fn new(url: &str) -> Self {
        let client = redis::Client::open(url).expect("the server's URL is well formed");
        Self { client, connection: Mutex::default() }
    }

    /// Asks once: what became of a command whose connection was killed is not known.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> RedisResult<T> {
        let mut connection = self.connected().await?;
        let answer = command.query_async(&mut connection).await;
        if answer.as_ref().is_err_and(|error: &redis::RedisError| error.is_io_error()) {
            *self.connection.lock().await = None;
        }
        answer
    }

    async fn connected(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        // The client's default is half a second, which a busy machine is late by.
        let patient = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&patient).await?;
        Ok(connection.insert(made).clone())
    }
}

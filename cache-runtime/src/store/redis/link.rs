//! What carries commands: a connection of ours, or one that the user made.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, FromRedisValue, Pipeline, RedisFuture, RedisResult, Value};

use super::refusal::read;

/// A connection that the user made: it and its runtime are the user's to keep alive.
pub(crate) trait ReadyConnection: ConnectionLike + Send + Sync {
    fn boxed_clone(&self) -> Box<dyn ReadyConnection>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> ReadyConnection for C {
    fn boxed_clone(&self) -> Box<dyn ReadyConnection> {
        Box::new(self.clone())
    }
}

/// What carries commands.
pub(crate) enum Link {
    Own(MultiplexedConnection),
    Ready(Box<dyn ReadyConnection>),
}

impl Link {
    /// Sends one command. Our own connection needs no box for that.
    pub(super) async fn send<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        let answer = match self {
            Self::Own(connection) => connection.send_packed_command(command).await,
            Self::Ready(connection) => connection.req_packed_command(command).await,
        };
        read(answer?)
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Own(connection) => connection.req_packed_command(command),
            Self::Ready(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Own(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Ready(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Own(connection) => connection.get_db(),
            Self::Ready(connection) => connection.get_db(),
        }
    }
}

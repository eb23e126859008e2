//! Where connections come from, and what is learned of one by using it.

use std::fmt;
use std::sync::Arc;

use redis::{RedisError, RedisResult, ServerErrorKind};

use super::link::{Link, ReadyConnection};
use super::pushes::Pushes;
use super::slots::{Numbered, PerRuntime, given_up};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::in_runtime;

/// Where connections come from.
pub(crate) enum Source {
    PerRuntime(Arc<PerRuntime>),
    Ready(Box<dyn ReadyConnection>),
}

impl Source {
    /// Now, on the server's clock; on this machine's where the connection is the user's.
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::PerRuntime(connections) => connections.clock.now(),
            Self::Ready(_) => Timestamp::now(),
        }
    }

    /// Hears that a command got no answer within its deadline.
    pub(crate) fn timed_out(&self) {
        if let Self::PerRuntime(connections) = self {
            connections.timed_out();
        }
    }

    /// A connection to send one command over, if there is one.
    pub(crate) fn ready(&self) -> Result<Option<Connection<'_>>, Error> {
        let runtime = in_runtime()?;
        Ok(match self {
            Self::PerRuntime(connections) => connections.ready(runtime.id()),
            Self::Ready(link) => Some(Connection { link: Link::Ready(link.boxed_clone()), slot: None }),
        })
    }

    /// A connection to send one command over, once it is made.
    pub(crate) async fn made(&self) -> Result<Connection<'_>, Error> {
        if let Self::PerRuntime(connections) = self {
            connections.dialing(&in_runtime()?).dialed().await?;
        }
        self.ready()?.ok_or_else(given_up)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PerRuntime(_) => "PerRuntime",
            Self::Ready(_) => "Ready",
        })
    }
}

/// A connection to send one command over, and the slot that hears how it fared.
pub(crate) struct Connection<'s> {
    pub(crate) link: Link,
    pub(super) slot: Option<Numbered<'s>>,
}

impl Connection<'_> {
    /// Who waits for pushes over this connection, where the server sends any.
    pub(crate) fn pushes(&self) -> Option<Arc<Pushes>> {
        self.slot.and_then(|Numbered { connections, number }| connections.pushes(number))
    }

    /// Hears what came of a command. A connection that is dead is given up; so is one to a server that is no primary any
    /// more: its name may lead elsewhere by now. Returns whether the command may succeed on another connection.
    pub(crate) fn is_replaced_after<T>(&self, answer: &RedisResult<T>) -> bool {
        let Some(Numbered { connections, number }) = self.slot else { return false };
        match answer {
            Err(error) if is_dead(error) => {
                connections.retire(number);
                return true;
            }
            Err(error) if is_demoted(error) => connections.retire_if_old(number),
            _ => connections.answered(number),
        }
        false
    }
}

pub(super) fn is_dead(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}

fn is_demoted(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

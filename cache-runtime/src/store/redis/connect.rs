//! Where connections come from, and what is learned of one by using it.

use std::fmt;
use std::sync::Arc;

use redis::{RedisError, RedisResult, ServerErrorKind};

use super::cluster::{Cluster, Node, Stay};
use super::link::{Link, ReadyConnection};
use super::pushes::Pushes;
use super::refusal::refused;
use super::slots::{Numbered, PerRuntime, given_up};
use crate::error::Error;
use crate::health::Contact;
use crate::runtime;

/// Where connections come from.
pub(crate) enum Source {
    PerRuntime(Arc<PerRuntime>),
    Cluster(Arc<Cluster>),
    Ready(Box<dyn ReadyConnection>),
}

impl Source {
    /// The store, as people know it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::PerRuntime(connections) => connections.address(),
            Self::Cluster(_) => "the cluster".to_owned(),
            Self::Ready(_) => "the Redis connection".to_owned(),
        }
    }

    /// Whether the store has ever answered. A connection of the user's was made before it came here.
    pub(crate) fn contact(&self) -> Contact {
        match self {
            Self::PerRuntime(connections) => connections.contact(),
            Self::Cluster(cluster) => cluster.contact(),
            Self::Ready(_) => Contact::Made,
        }
    }

    /// The client's error as the cache's.
    pub(crate) fn refused(&self, error: &RedisError) -> Error {
        let refused = refused(error);
        if error.redirect_node().is_some() && !matches!(self, Self::Cluster(_)) {
            return refused.curable("this is one node of a cluster: give its URL to `redis_cluster`");
        }
        refused
    }

    /// The node of a cluster that has this key, where it is known.
    pub(crate) fn node(&self, key: &str) -> Option<Arc<Node>> {
        match self {
            Self::Cluster(cluster) => cluster.node(key),
            Self::PerRuntime(_) | Self::Ready(_) => None,
        }
    }

    /// Where a command on this key goes, if it is known.
    pub(crate) fn destination(&self, key: &str) -> Option<Destination<'_>> {
        match self {
            Self::PerRuntime(connections) => Some(Destination::Server(connections)),
            Self::Cluster(cluster) => cluster.node(key).map(|node| Destination::Node(node, cluster)),
            Self::Ready(link) => Some(Destination::Ready(&**link)),
        }
    }

    /// Where a command on this key goes, once it has been found out.
    pub(crate) async fn found(&self, key: &str) -> Result<Destination<'_>, Error> {
        if let Self::Cluster(cluster) = self {
            return cluster.found(key).await.map(|node| Destination::Node(node, cluster));
        }
        self.destination(key).ok_or_else(given_up)
    }
}

/// Where a command goes.
pub(crate) enum Destination<'s> {
    Server(&'s PerRuntime),
    Node(Arc<Node>, &'s Cluster),
    Ready(&'s dyn ReadyConnection),
}

impl<'s> Destination<'s> {
    /// A connection to send one command over, if there is one.
    pub(crate) fn ready(&self) -> Result<Option<Connection<'_>>, Error> {
        Ok(match self {
            // A connection that was made in this runtime says that there are timers.
            Self::Server(connections) => connections.ready(runtime::current()?.id()),
            Self::Node(node, _) => node.connections.ready(runtime::current()?.id()),
            Self::Ready(link) => {
                runtime::with_timers()?;
                Some(Connection { link: Link::Ready(link.boxed_clone()), slot: None })
            }
        })
    }

    /// A connection to send one command over, once it is made.
    pub(crate) async fn made(&self) -> Result<Connection<'_>, Error> {
        match self {
            Self::Server(connections) => connections.connection().await,
            Self::Node(node, _) => node.connections.connection().await,
            Self::Ready(_) => self.ready()?.ok_or_else(given_up),
        }
    }

    /// Where to go instead, where a node of a cluster says that it does not have the key.
    pub(crate) fn redirected<T>(&self, answer: &RedisResult<T>) -> Option<(Arc<Node>, &'s Cluster, Stay)> {
        let (Self::Node(from, cluster), Err(error)) = (self, answer) else { return None };
        let (node, stay) = cluster.redirected(from, error)?;
        Some((node, cluster, stay))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PerRuntime(_) => "PerRuntime",
            Self::Cluster(_) => "Cluster",
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

    /// Which connection it is, where it is not the user's.
    pub(super) fn number(&self) -> Option<u64> {
        self.slot.map(|slot| slot.number)
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

pub(super) fn is_demoted(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

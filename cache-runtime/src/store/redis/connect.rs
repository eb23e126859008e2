//! Connections: one for each tokio runtime, made when first needed, replaced when dead or hung.
//!
//! A connection's driver is a task, and a task dies with its runtime. One process may hold several runtimes (every
//! `#[tokio::test]` has its own), so a connection belongs to the runtime that made it, and is found by that runtime's
//! number. That also keeps caller and driver on the same threads, which is what a hand-written `GET` costs.
//!
//! A slot lives as long as its task: the task dials, then holds the slot until it is retired or the runtime goes, and
//! takes the slot out of the list when it is dropped.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisFuture, Value};
use tokio::runtime::{self, Handle};
use tokio::sync::{Notify, watch};

use super::refused;
use crate::error::{Error, ErrorKind};

/// How long making a connection may take, with TLS and authentication: callers do not wait for it longer than their
/// own deadline, so raising it only gives slow networks a chance.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a refused connection is not tried again: callers fail at once meanwhile, and a returning server is noticed
/// this much later.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Commands in a row that nobody waited for until their answer, after which the connection counts as hung and is
/// replaced: TCP does not notice a stopped peer for minutes. Raising it tolerates longer stalls of a healthy server.
const MAX_UNANSWERED: u32 = 3;

/// A connection that the user made: it and its runtime are the user's to keep alive.
pub(crate) trait ReadyConnection: ConnectionLike + Send + Sync {
    fn boxed_clone(&self) -> Box<dyn ReadyConnection>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> ReadyConnection for C {
    fn boxed_clone(&self) -> Box<dyn ReadyConnection> {
        Box::new(self.clone())
    }
}

/// Where connections come from.
pub(crate) enum Source {
    PerRuntime(Arc<PerRuntime>),
    Ready(Box<dyn ReadyConnection>),
}

impl Source {
    /// A connection to send one command over.
    pub(crate) async fn connection(&self) -> Result<Connection, Error> {
        match self {
            Self::PerRuntime(connections) => PerRuntime::connection(connections).await,
            Self::Ready(connection) => Ok(Connection::Ready(connection.boxed_clone())),
        }
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

/// A connection, and how it fared.
pub(crate) enum Connection {
    Own(MultiplexedConnection, Arc<Slot>),
    Ready(Box<dyn ReadyConnection>),
}

impl Connection {
    /// Sends a command (or script) and waits for its answer. A connection that is dead, or that leaves several commands
    /// in a row without an answer, is replaced.
    pub(crate) async fn answered<T>(
        &mut self,
        send: impl AsyncFnOnce(&mut Self) -> redis::RedisResult<T>,
    ) -> Result<T, Error> {
        let slot = match self {
            Self::Own(_, slot) => Some(Arc::clone(slot)),
            Self::Ready(_) => None,
        };
        let unanswered = slot.as_deref().map(Unanswered);
        let answer = send(self).await;
        if let Some(unanswered) = unanswered {
            unanswered.answered();
        }
        answer.map_err(|error| {
            if let Some(slot) = slot.as_deref().filter(|_| error.is_io_error() || error.is_unrecoverable_error()) {
                slot.retire();
            }
            refused(error)
        })
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Own(connection, _) => connection.req_packed_command(command),
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
            Self::Own(connection, _) => connection.req_packed_commands(pipeline, offset, count),
            Self::Ready(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Own(connection, _) => connection.get_db(),
            Self::Ready(connection) => connection.get_db(),
        }
    }
}

/// One connection for each runtime.
pub(crate) struct PerRuntime {
    client: redis::Client,
    slots: RwLock<Vec<Arc<Slot>>>,
}

impl PerRuntime {
    pub(crate) fn new(client: redis::Client) -> Self {
        Self { client, slots: RwLock::default() }
    }

    async fn connection(self: &Arc<Self>) -> Result<Connection, Error> {
        let handle = Handle::try_current()
            .map_err(|error| Error::new(ErrorKind::Unavailable, "Redis needs a tokio runtime").with_source(error))?;
        let slot = self.slot(&handle);
        if let Dial::Up(connection) = &*slot.dial.borrow() {
            return Ok(Connection::Own(connection.clone(), Arc::clone(&slot)));
        }
        slot.dialed().await
    }

    /// The slot of this runtime; a new one begins to dial.
    fn slot(self: &Arc<Self>, handle: &Handle) -> Arc<Slot> {
        let id = handle.id();
        let find = |slots: &[Arc<Slot>]| slots.iter().find(|slot| slot.runtime == id).cloned();
        if let Some(slot) = find(&self.slots.read().unwrap_or_else(PoisonError::into_inner)) {
            return slot;
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        find(&slots).unwrap_or_else(|| {
            let slot = Arc::new(Slot::new(id, Arc::downgrade(self)));
            slots.push(Arc::clone(&slot));
            handle.spawn(Held(Arc::clone(&slot)).dial(self.client.clone()));
            slot
        })
    }

    fn remove(&self, slot: &Slot) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|other| !std::ptr::eq(&raw const **other, slot));
    }
}

impl Drop for PerRuntime {
    fn drop(&mut self) {
        let slots = self.slots.get_mut().unwrap_or_else(PoisonError::into_inner);
        for slot in slots {
            slot.retired.notify_one();
        }
    }
}

/// The connection of one runtime.
pub(crate) struct Slot {
    runtime: runtime::Id,
    dial: watch::Sender<Dial>,
    /// Wakes the task that holds the slot, which ends.
    retired: Notify,
    unanswered: AtomicU32,
    owner: Weak<PerRuntime>,
}

/// How far a connection is.
enum Dial {
    Dialing,
    Up(MultiplexedConnection),
    Down(String),
}

impl Slot {
    fn new(runtime: runtime::Id, owner: Weak<PerRuntime>) -> Self {
        let (dial, _) = watch::channel(Dial::Dialing);
        Self { runtime, dial, retired: Notify::new(), unanswered: AtomicU32::new(0), owner }
    }

    /// Waits until the dialing has an end.
    async fn dialed(self: Arc<Self>) -> Result<Connection, Error> {
        let mut dial = self.dial.subscribe();
        let ended = dial.wait_for(|dial| !matches!(dial, Dial::Dialing)).await;
        match ended.as_deref() {
            Ok(Dial::Up(connection)) => Ok(Connection::Own(connection.clone(), Arc::clone(&self))),
            Ok(Dial::Down(why)) => Err(Error::new(ErrorKind::Unavailable, format!("cannot connect to Redis: {why}"))),
            Ok(Dial::Dialing) | Err(_) => Err(Error::new(ErrorKind::Unavailable, "the connection was given up")),
        }
    }

    /// Gives the connection up: the next caller dials again.
    fn retire(&self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.remove(self);
        }
        self.retired.notify_one();
    }
}

/// The hold of a slot's task on it; dropped with the task, also when the runtime goes.
struct Held(Arc<Slot>);

impl Held {
    async fn dial(self, client: redis::Client) {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let dialing = client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECT_TIMEOUT, dialing).await {
            Ok(Ok(connection)) => {
                self.0.dial.send_replace(Dial::Up(connection));
                self.0.retired.notified().await;
            }
            Ok(Err(error)) => self.pause(error.to_string()).await,
            Err(_) => self.pause(format!("no answer within {CONNECT_TIMEOUT:?}")).await,
        }
    }

    async fn pause(&self, why: String) {
        self.0.dial.send_replace(Dial::Down(why));
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(owner) = self.0.owner.upgrade() {
            owner.remove(&self.0);
        }
    }
}

/// Counts a command that is dropped before its answer.
struct Unanswered<'s>(&'s Slot);

impl Unanswered<'_> {
    fn answered(self) {
        self.0.unanswered.store(0, Ordering::Relaxed);
        std::mem::forget(self);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.0.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_UNANSWERED {
            self.0.retire();
        }
    }
}

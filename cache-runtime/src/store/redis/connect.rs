//! Connections: one for each tokio runtime, made when first needed, replaced when dead or hung.
//!
//! A connection's driver is a task, and a task dies with its runtime. One process may hold several runtimes (every
//! `#[tokio::test]` has its own), so a connection belongs to the runtime that made it, and is found by that runtime's
//! number. That also keeps caller and driver on the same threads, which is what a hand-written `GET` costs.
//!
//! A slot lives as long as its task: the task dials, then holds the slot until it is retired or the runtime goes, and
//! takes the slot out of the list when it is dropped.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::runtime::{self, Handle};
use tokio::sync::{Notify, watch};

use crate::clock::{self, Instant};
use crate::error::{Error, ErrorKind};
use crate::store::in_runtime;

/// How long making a connection may take, with TLS and authentication: callers do not wait for it longer than their
/// own deadline, so raising it only gives slow networks a chance.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a refused connection is not tried again: callers fail at once meanwhile, and a returning server is noticed
/// this much later.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How old a connection to a server that turned out to be no primary must be to be given up: a server that is a replica
/// for good is not dialed anew by every call.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Commands in a row that got no answer within their deadline, after which the connection counts as hung and is
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
    slot: Option<Numbered<'s>>,
}

impl Connection<'_> {
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

fn is_dead(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}

fn is_demoted(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

/// A slot, known by its number: a call holds no count on it, which the callers on other cores would pass round.
#[derive(Clone, Copy)]
struct Numbered<'s> {
    connections: &'s PerRuntime,
    number: u64,
}

/// What carries commands.
pub(crate) enum Link {
    Own(MultiplexedConnection),
    Ready(Box<dyn ReadyConnection>),
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

/// One connection for each runtime.
pub(crate) struct PerRuntime {
    client: redis::Client,
    /// Every call reads it, hardly any writes it: a lock would be passed from core to core.
    slots: ArcSwap<Vec<Arc<Slot>>>,
    /// Held by whoever writes the slots.
    writing: Mutex<()>,
    /// The number of the next slot.
    next: AtomicU64,
    /// Whether some slot has a command that was not answered.
    suspicious: AtomicBool,
    this: Weak<Self>,
}

impl PerRuntime {
    pub(crate) fn new(client: redis::Client) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            client,
            slots: ArcSwap::default(),
            writing: Mutex::default(),
            next: AtomicU64::new(0),
            suspicious: AtomicBool::new(false),
            this: Weak::clone(this),
        })
    }

    /// The connection of a runtime.
    fn ready(&self, runtime: runtime::Id) -> Option<Connection<'_>> {
        let slots = self.slots.load();
        let slot = slots.iter().find(|slot| slot.runtime == runtime)?;
        let link = slot.up.get()?.clone();
        Some(Connection { link: Link::Own(link), slot: Some(Numbered { connections: self, number: slot.number }) })
    }

    /// The slot of this runtime; a new one begins to dial.
    fn dialing(&self, handle: &Handle) -> Arc<Slot> {
        let id = handle.id();
        let writing = self.writing();
        let mut slots = Vec::clone(&self.slots.load());
        if let Some(known) = slots.iter().find(|slot| slot.runtime == id) {
            return Arc::clone(known);
        }
        let slot = Arc::new(Slot::new(id, self.next.fetch_add(1, Ordering::Relaxed)));
        slots.push(Arc::clone(&slot));
        self.slots.store(Arc::new(slots));
        drop(writing);
        // A runtime that is shutting down drops the task at once, here, and the task takes its slot out of the list.
        let held = Held { slot: Arc::clone(&slot), connections: Weak::clone(&self.this) };
        handle.spawn(held.dial(self.client.clone()));
        slot
    }

    /// Gives a connection up: the next caller dials again.
    fn retire(&self, number: u64) {
        let _writing = self.writing();
        let mut slots = Vec::clone(&self.slots.load());
        if let Some(index) = slots.iter().position(|slot| slot.number == number) {
            slots.swap_remove(index).retired.notify_one();
            self.slots.store(Arc::new(slots));
        }
    }

    fn answered(&self, number: u64) {
        if self.suspicious.load(Ordering::Relaxed) {
            let slots = self.slots.load();
            if let Some(slot) = slots.iter().find(|slot| slot.number == number) {
                slot.unanswered.store(0, Ordering::Relaxed);
            }
            let suspicious = slots.iter().any(|slot| slot.unanswered.load(Ordering::Relaxed) > 0);
            self.suspicious.store(suspicious, Ordering::Relaxed);
        }
    }

    /// Gives a connection up that was made some time ago.
    fn retire_if_old(&self, number: u64) {
        let is_old = |slot: &Arc<Slot>| slot.number == number && clock::now() - slot.made > RECONNECT_AFTER;
        let old = self.slots.load().iter().any(is_old);
        if old {
            self.retire(number);
        }
    }

    /// A command of the runtime that the caller is in got no answer within its deadline.
    fn timed_out(&self) {
        let Ok(handle) = in_runtime() else { return };
        self.suspicious.store(true, Ordering::Relaxed);
        let count = |slot: &Arc<Slot>| (slot.number, slot.unanswered.fetch_add(1, Ordering::Relaxed) + 1);
        let counted = self.slots.load().iter().find(|slot| slot.runtime == handle.id()).map(count);
        if let Some((number, MAX_UNANSWERED..)) = counted {
            self.retire(number);
        }
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PerRuntime {
    fn drop(&mut self) {
        for slot in self.slots.load().iter() {
            slot.retired.notify_one();
        }
    }
}

/// The connection of one runtime.
pub(crate) struct Slot {
    runtime: runtime::Id,
    /// The connection, once it is made.
    up: OnceLock<MultiplexedConnection>,
    dial: watch::Sender<Dial>,
    /// Wakes the task that holds the slot, which ends.
    retired: Notify,
    unanswered: AtomicU32,
    number: u64,
    made: Instant,
}

/// How far a connection is.
enum Dial {
    Dialing,
    Up,
    Down(String),
}

fn given_up() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to Redis was given up")
}

impl Slot {
    fn new(runtime: runtime::Id, number: u64) -> Self {
        let (dial, _) = watch::channel(Dial::Dialing);
        Self {
            runtime,
            up: OnceLock::new(),
            dial,
            retired: Notify::new(),
            unanswered: AtomicU32::new(0),
            number,
            made: clock::now(),
        }
    }

    /// Waits until the dialing has an end.
    async fn dialed(&self) -> Result<(), Error> {
        let mut dial = self.dial.subscribe();
        let ended = dial.wait_for(|dial| !matches!(dial, Dial::Dialing)).await;
        match ended.as_deref() {
            Ok(Dial::Down(why)) => Err(Error::new(ErrorKind::Unavailable, format!("cannot connect to Redis: {why}"))),
            Ok(Dial::Up | Dial::Dialing) => Ok(()),
            Err(_) => Err(given_up()),
        }
    }
}

/// The hold of a slot's task on it; dropped with the task, also when the runtime goes.
struct Held {
    slot: Arc<Slot>,
    connections: Weak<PerRuntime>,
}

impl Held {
    async fn dial(self, client: redis::Client) {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(None);
        let dialing = client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECT_TIMEOUT, dialing).await {
            Ok(Ok(connection)) => {
                let _ = self.slot.up.set(connection);
                self.slot.dial.send_replace(Dial::Up);
                self.slot.retired.notified().await;
            }
            Ok(Err(error)) => self.pause(error.to_string()).await,
            Err(_) => self.pause(format!("no answer within {CONNECT_TIMEOUT:?}")).await,
        }
    }

    async fn pause(&self, why: String) {
        self.slot.dial.send_replace(Dial::Down(why));
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connections) = self.connections.upgrade() {
            connections.retire(self.slot.number);
        }
        self.slot.dial.send_if_modified(|dial| {
            let unfinished = matches!(dial, Dial::Dialing);
            if unfinished {
                *dial = Dial::Down("the runtime is shutting down".to_owned());
            }
            unfinished
        });
    }
}

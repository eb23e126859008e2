//! Connections: one for each tokio runtime, made when first needed, replaced when dead or hung.
//!
//! A connection's driver is a task, and a task dies with its runtime. One process may hold several runtimes (every
//! `#[tokio::test]` has its own), so a connection belongs to the runtime that made it, and is found by that runtime's
//! number. That also keeps caller and driver on the same threads, which is what a hand-written `GET` costs.
//!
//! A slot lives as long as its task: the task dials, then holds the slot until it is retired or the runtime goes, and
//! takes the slot out of the list when it is dropped.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::select;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::runtime::{Handle, Id};
use tokio::sync::{Notify, watch};

use super::connect::Connection;
use super::dial::{Up, dial};
use super::link::Link;
use super::pushes::Pushes;
use super::refusal::described;
use super::tls;
use super::topology::Address;
use crate::clock::{self, Instant, ServerClock};
use crate::error::{Error, ErrorKind};
use crate::health::Contact;
use crate::policy::breaker;
use crate::random;
use crate::runtime::{self, Lack};

/// How long making a connection may take, with TLS and authentication: callers do not wait for it longer than their
/// own deadline, so raising it only gives slow networks a chance.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How many commands wait for the connection's driver before their callers do: one that waits is woken once more. The
/// client's 50 are fewer than the callers of a busy process. Raising it helps where more call at once than this, and
/// lets more commands pile up before a server that stalls, beside those in the buffers of its socket.
const QUEUE: usize = 256;

/// How old a connection to a server that turned out to be no primary must be to be given up: a server that is a replica
/// for good is not dialed anew by every call.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Commands in a row that got no answer within their deadline, after which the connection counts as hung and is
/// replaced: TCP does not notice a stopped peer for minutes. Raising it tolerates longer stalls of a healthy server.
const MAX_UNANSWERED: u32 = 3;

/// How long a connection on which a command was not answered has to answer a `PING`, whether or not anybody calls: it may
/// be in the middle of an answer that never ends, and takes up memory for as long as it is listened to. A connection
/// that answers nothing for as long as a new one may take is not worth keeping.
const PING_TIMEOUT: Duration = CONNECT_TIMEOUT;

/// A slot, known by its number: a call holds no count on it, which the callers on other cores would pass round.
#[derive(Clone, Copy)]
pub(super) struct Numbered<'s> {
    pub(super) connections: &'s PerRuntime,
    pub(super) number: u64,
}

/// One connection to a server for each runtime.
pub(crate) struct PerRuntime {
    client: redis::Client,
    pub(super) clock: ServerClock,
    /// Every call reads it, hardly any writes it: a lock would be passed from core to core.
    slots: ArcSwap<Vec<Arc<Slot>>>,
    /// Held by whoever writes the slots.
    writing: Mutex<()>,
    /// The number of the next slot.
    next: AtomicU64,
    /// Whether some slot has a command that was not answered.
    suspicious: AtomicBool,
    /// Whether the server has ever answered: written by tasks that dial, and never by calls.
    contact: Mutex<Contact>,
    this: Weak<Self>,
}

impl PerRuntime {
    pub(crate) fn new(client: redis::Client) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            client,
            clock: ServerClock::default(),
            slots: ArcSwap::default(),
            writing: Mutex::default(),
            next: AtomicU64::new(0),
            suspicious: AtomicBool::new(false),
            contact: Mutex::new(Contact::Never(None)),
            this: Weak::clone(this),
        })
    }

    /// The server, as people know it. A host with characters that no host has is not shown: it may contain a password.
    pub(super) fn address(&self) -> String {
        let address = self.client.get_connection_info().addr();
        match Address::of(address) {
            Some(address) if address.is_plausible() => address.to_string(),
            Some(_) => "a server with an invalid host".to_owned(),
            None => address.to_string(),
        }
    }

    /// Whether the server has ever answered.
    pub(super) fn contact(&self) -> Contact {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An attempt to connect has ended: why it failed, if it did.
    fn has_dialed(&self, failure: Option<&str>) {
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            None => *contact = Contact::Made,
            Some(why) => {
                if let Contact::Never(last) = &mut *contact {
                    *last = Some(why.to_owned());
                }
            }
        }
    }

    /// The connection of the runtime that the caller is in, once it is made.
    pub(super) async fn connection(&self) -> Result<Connection<'_>, Error> {
        let runtime = runtime::with_connections()?;
        if self.ready(runtime.id()).is_none() {
            self.dialing(&runtime).dialed().await?;
        }
        self.ready(runtime.id()).ok_or_else(given_up)
    }

    /// The connection of a runtime.
    pub(super) fn ready(&self, runtime: Id) -> Option<Connection<'_>> {
        let slots = self.slots.load();
        let slot = slots.iter().find(|slot| slot.runtime == runtime)?;
        let link = Link::Own(slot.up.get()?.link.clone());
        Some(Connection { link, slot: Some(Numbered { connections: self, number: slot.number }) })
    }

    /// Who waits for pushes over the connection of a slot.
    pub(super) fn pushes(&self, number: u64) -> Option<Arc<Pushes>> {
        let slots = self.slots.load();
        slots.iter().find(|slot| slot.number == number)?.up.get()?.pushes.clone()
    }

    /// The slot of this runtime; a new one begins to dial.
    pub(super) fn dialing(&self, handle: &Handle) -> Arc<Slot> {
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
    pub(super) fn retire(&self, number: u64) {
        let _writing = self.writing();
        let mut slots = Vec::clone(&self.slots.load());
        if let Some(index) = slots.iter().position(|slot| slot.number == number) {
            slots.swap_remove(index).retired.notify_one();
            self.slots.store(Arc::new(slots));
        }
    }

    pub(super) fn answered(&self, number: u64) {
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
    pub(super) fn retire_if_old(&self, number: u64) {
        let is_old = |slot: &Arc<Slot>| slot.number == number && clock::now() - slot.made > RECONNECT_AFTER;
        let old = self.slots.load().iter().any(is_old);
        if old {
            self.retire(number);
        }
    }

    /// A command of the runtime that the caller is in got no answer within its deadline.
    pub(super) fn timed_out(&self) {
        let Ok(handle) = runtime::current() else { return };
        self.suspicious.store(true, Ordering::Relaxed);
        let count = |slot: &Arc<Slot>| {
            slot.doubted.notify_one();
            (slot.number, slot.unanswered.fetch_add(1, Ordering::Relaxed) + 1)
        };
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
    runtime: Id,
    /// The connection, once it is made.
    up: OnceLock<Up>,
    dial: watch::Sender<Dial>,
    /// Wakes the task that holds the slot, which ends.
    retired: Notify,
    /// Wakes it too, to find out whether the connection answers at all.
    doubted: Notify,
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

pub(super) fn given_up() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to Redis was given up")
}

impl Slot {
    fn new(runtime: Id, number: u64) -> Self {
        let (dial, _) = watch::channel(Dial::Dialing);
        Self {
            runtime,
            up: OnceLock::new(),
            dial,
            retired: Notify::new(),
            doubted: Notify::new(),
            unanswered: AtomicU32::new(0),
            number,
            made: clock::now(),
        }
    }

    /// Waits until the dialing has an end.
    pub(super) async fn dialed(&self) -> Result<(), Error> {
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
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        match tokio::time::timeout(CONNECT_TIMEOUT, caught(dial(&client, &config))).await {
            Ok(Ok(Ok(up))) => {
                if let Some(connections) = self.connections.upgrade() {
                    connections.has_dialed(None);
                    up.time.into_iter().for_each(|time| connections.clock.said(time));
                }
                let link = up.link.clone();
                let _ = self.slot.up.set(up);
                self.slot.dial.send_replace(Dial::Up);
                select(pin!(self.slot.retired.notified()), pin!(self.hung(link))).await;
            }
            Ok(Ok(Err(error))) if !error.is_timeout() => self.pause(described(&error)).await,
            Ok(Err(panic)) => self.pause(panicked(&*panic)).await,
            // The client counts the same time, and may be the first to say so.
            Ok(Ok(Err(_))) | Err(_) => {
                self.pause(format!("no answer within {CONNECT_TIMEOUT:?}{}", tls::unanswered(&client))).await;
            }
        }
    }

    /// Ends when a connection that left a command unanswered does not answer a `PING` either.
    async fn hung(&self, mut link: MultiplexedConnection) {
        loop {
            self.slot.doubted.notified().await;
            // A refusal is an answer too.
            let ping = redis::cmd("PING");
            if tokio::time::timeout(PING_TIMEOUT, link.send_packed_command(&ping)).await.is_err() {
                return;
            }
        }
    }

    /// A refused connection is not tried again for a moment, and not by a whole fleet at once: callers fail at once
    /// meanwhile. Where that goes on, the breaker opens, and only its probes dial.
    async fn pause(&self, why: String) {
        if let Some(connections) = self.connections.upgrade() {
            connections.has_dialed(Some(&why));
        }
        self.slot.dial.send_replace(Dial::Down(why));
        tokio::time::sleep(breaker::pause(0, random::unit())).await;
    }
}

/// A panic while connecting is an error: it would end the task without one.
async fn caught<T>(dial: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut dial = pin!(dial);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| dial.as_mut().poll(context)))
            .map_or_else(|panic| Poll::Ready(Err(panic)), |polled| polled.map(Ok))
    })
    .await
}

/// Why connecting panicked: where tokio says that the runtime has no I/O, it is not tried again there.
fn panicked(panic: &(dyn Any + Send)) -> String {
    if runtime::says_no_io(panic) {
        runtime::found_lacking(Lack::Io);
        return "the tokio runtime has no I/O: build it with `enable_all()` or `enable_io()`".to_owned();
    }
    "connecting panicked".to_owned()
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connections) = self.connections.upgrade() {
            connections.retire(self.slot.number);
        }
        // Nothing will be pushed over a connection that is given up: who waits looks on the next one.
        if let Some(Up { pushes: Some(pushes), .. }) = self.slot.up.get() {
            pushes.wake_all();
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

//! A store that fails: what protects the origin meanwhile, and the probes that end it.
//!
//! Each server has a [`Breaker`]: the nodes of a cluster one each, any other store one. A task probes a server that is
//! down, and no call of a user does.

use std::ops::Deref;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::Engine;
use crate::error::ErrorKind;
use crate::health::{Contact, Server};
use crate::policy::breaker::pause;
use crate::store::{Backend, Breaker, Budget, Memory, Node, Store};
use crate::{random, runtime};

/// What a cache does while its store fails.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// How many functions run at once.
    pub(crate) concurrency: Option<usize>,
    /// How long their values are served from this process.
    pub(crate) degraded_ttl: Option<Duration>,
}

/// How many values are kept while the store fails.
const COPIES: u32 = 10_000;

/// What goes on while the store of a cache fails.
pub(crate) struct Outage {
    /// The breaker of the store, where it is not that of a node.
    breaker: Arc<Breaker>,
    /// How many calls went without the store.
    degraded: AtomicU64,
    /// Room for functions while the store fails.
    pub(super) turns: Option<Arc<Semaphore>>,
    copies: Option<(Memory, Duration)>,
}

impl Outage {
    pub(super) fn new(plan: Plan, store: String) -> Self {
        Self {
            breaker: Arc::new(Breaker::new(store)),
            degraded: AtomicU64::new(0),
            turns: plan.concurrency.map(|count| Arc::new(Semaphore::new(count))),
            copies: plan.degraded_ttl.map(|ttl| (Memory::entries(COPIES), ttl)),
        }
    }

    /// A call goes without the store.
    pub(super) fn degrades(&self) {
        self.degraded.fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls did.
    pub(super) fn degraded(&self) -> u64 {
        self.degraded.load(Ordering::Relaxed)
    }

    /// Forgets the copy of a key.
    pub(super) fn forget(&self, key: &str) {
        if let Some((copies, _)) = &self.copies {
            copies.forget(key);
        }
    }
}

/// Whose failures count together.
pub(super) enum Asked<'e> {
    /// Those of the whole store.
    Store(&'e Arc<Breaker>),
    /// Those of one node of a cluster.
    Node(Arc<Node>),
}

impl Asked<'_> {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Store(_), Self::Store(_)) => true,
            (Self::Node(one), Self::Node(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Deref for Asked<'_> {
    type Target = Breaker;

    fn deref(&self) -> &Breaker {
        match self {
            Self::Store(breaker) => breaker,
            Self::Node(node) => &node.breaker,
        }
    }
}

impl Engine {
    /// The server that has this key.
    pub(super) fn server(&self, key: &str) -> Asked<'_> {
        match &self.backend {
            Backend::Redis(store) => store.node(key).map_or_else(|| self.store(), Asked::Node),
            Backend::Memory(_) | Backend::Own(_) => self.store(),
        }
    }

    /// The store, where it is not one of several nodes.
    pub(super) fn store(&self) -> Asked<'_> {
        Asked::Store(&self.outage.breaker)
    }

    /// How each server fares; the worst comes first.
    pub(super) fn servers(&self) -> Vec<Server> {
        let (nodes, contact) = match &self.backend {
            Backend::Redis(store) => (store.nodes(), store.contact()),
            Backend::Memory(_) | Backend::Own(_) => (Vec::new(), Contact::Made),
        };
        let mut servers: Vec<_> = nodes.iter().map(|node| node.condition()).collect();
        // In a cluster it counts for the keys that no node has.
        if servers.is_empty() || self.outage.breaker.is_shut() {
            servers.push(self.outage.breaker.condition().contacted(contact));
        }
        servers.sort_by_key(Server::rank);
        servers
    }

    /// What was loaded for this key while its server is down.
    pub(super) fn copy(&self, key: &str) -> Option<Bytes> {
        let (copies, _) = self.outage.copies.as_ref().filter(|_| self.server(key).is_shut())?;
        copies.value(key)
    }

    /// Whether what is loaded for this key now is kept.
    pub(super) fn wants_copy(&self, key: &str) -> bool {
        self.outage.copies.is_some() && self.server(key).is_shut()
    }

    /// Keeps an entry while its server is down.
    pub(super) fn keep(&self, key: &str, entry: Bytes) {
        if let Some((copies, ttl)) = self.outage.copies.as_ref().filter(|_| self.server(key).is_shut()) {
            copies.insert(key, entry, *ttl);
        }
    }

    /// Sees to it that somebody probes a server, if it is down. A prober goes with its runtime, so every step that is not
    /// tried asks.
    pub(super) fn probed(&self, server: &Asked<'_>, key: &str) {
        let Ok(runtime) = runtime::with_timers() else { return };
        if server.is_shut() && server.probing.take(Duration::ZERO) {
            let whom = match server {
                Asked::Store(breaker) => Whom::Store(Arc::clone(breaker)),
                Asked::Node(node) => Whom::Node(Arc::clone(node)),
            };
            runtime.spawn(probe(Prober { engine: Weak::clone(&self.this), whom }, key.to_owned()));
        }
    }

    async fn is_back(&self, whom: &Whom, key: &str) -> bool {
        let get = pin!(async {
            match whom {
                Whom::Store(_) => self.backend.get(key).await.map(drop),
                Whom::Node(node) => node.get(key).await,
            }
        });
        let mut late = false;
        match Budget::new(self.deadline).step("probe", get, || late = true).await {
            Ok(()) => true,
            // A server that refuses is there. One that is loading, or has lost its primary, counts as away.
            Err(error) if error.kind() == ErrorKind::Rejected => true,
            Err(_) => {
                self.fails(&whom.asked(), late);
                false
            }
        }
    }

    /// A server gave no answer; whether because it was late with it.
    pub(super) fn fails(&self, server: &Asked<'_>, late: bool) {
        match server {
            Asked::Node(node) if late => node.timed_out(),
            Asked::Store(_) if late => self.backend.timed_out(),
            _ => {}
        }
        self.backend.fails();
    }

    /// Whether there is nobody to probe: the node has left the cluster.
    fn is_gone(&self, whom: &Whom) -> bool {
        matches!(whom, Whom::Node(node) if self.has_left(node))
    }

    /// Whether a node has left the cluster: others have its keys.
    pub(super) fn has_left(&self, node: &Arc<Node>) -> bool {
        let Backend::Redis(store) = &self.backend else { return false };
        !store.nodes().iter().any(|known| Arc::ptr_eq(known, node))
    }

    /// A server answers again. What was kept of its keys meanwhile is of no use from then on, and forgotten.
    fn recovers(&self, whom: &Whom) {
        whom.breaker().recovers();
        if let Some((copies, _)) = &self.outage.copies {
            copies.retain(|key| !self.server(key).is_same(&whom.asked()));
        }
    }

    /// A node is none of the cluster any more: others have its keys, and if it comes back it begins anew.
    fn loses(&self, whom: &Whom) {
        whom.breaker().leaves();
        if let Some((copies, _)) = &self.outage.copies {
            copies.retain(|key| self.server(key).is_shut());
        }
    }
}

/// Who is probed, for as long as that takes.
enum Whom {
    Store(Arc<Breaker>),
    Node(Arc<Node>),
}

impl Whom {
    fn breaker(&self) -> &Breaker {
        match self {
            Self::Store(breaker) => breaker,
            Self::Node(node) => &node.breaker,
        }
    }

    fn asked(&self) -> Asked<'_> {
        match self {
            Self::Store(breaker) => Asked::Store(breaker),
            Self::Node(node) => Asked::Node(Arc::clone(node)),
        }
    }
}

/// A task that probes; gone, another one may.
struct Prober {
    engine: Weak<Engine>,
    whom: Whom,
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.whom.breaker().probing.give_up();
    }
}

async fn probe(prober: Prober, key: String) {
    for attempt in 0.. {
        let pause = pause(attempt, random::unit());
        prober.whom.breaker().probing.renew(pause);
        tokio::time::sleep(pause).await;
        let Some(engine) = prober.engine.upgrade() else { return };
        prober.whom.breaker().probing.renew(engine.deadline);
        if engine.is_back(&prober.whom, &key).await {
            return engine.recovers(&prober.whom);
        }
        if engine.is_gone(&prober.whom) {
            return engine.loses(&prober.whom);
        }
    }
}

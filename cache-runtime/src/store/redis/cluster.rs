//! A cluster: its nodes, each with connections and a breaker of its own, and the map that says which node has a key.
//!
//! The map is read when the first key is asked for, and again when a node says that a key has moved, or fails: one task
//! at a time reads it, from the first node that answers. No call waits for that but the first.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::{select_ok, try_join_all};
use redis::{Client, ConnectionAddr, FromRedisValue, RedisError, ServerErrorKind, Value};
use tokio::sync::watch;

use super::connect::Connection;
use super::refusal::refused;
use super::slots::{PerRuntime, given_up};
use super::topology::{Address, Map, Range, SLOTS, is_moving, ranges, slot};
use crate::error::{Error, ErrorKind};
use crate::health::{Contact, Server};
use crate::policy::breaker::pause;
use crate::store::{Breaker, Claim};
use crate::{observe, random, runtime};

/// How long a node has to say what it knows of the map, on a connection that may have to be made for that. Raising it gives
/// slow networks a chance, and finds out later that all who were asked hang.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// How many nodes are asked for the map at once: one of them may hang, and in a cluster of hundreds not all need to be
/// bothered because one key has moved.
const ASKED: usize = 3;

/// One primary of a cluster.
pub(crate) struct Node {
    pub(super) address: Address,
    pub(super) connections: Arc<PerRuntime>,
    pub(crate) breaker: Breaker,
}

/// Its address: what else there is may be secret.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

impl Node {
    pub(super) fn new(address: Address, client: Client) -> Arc<Self> {
        let breaker = Breaker::new(address.to_string());
        Arc::new(Self { address, connections: PerRuntime::new(client), breaker })
    }

    /// How this node fares.
    pub(crate) fn condition(&self) -> Server {
        self.breaker.condition().contacted(self.connections.contact())
    }

    /// Asks this node for a key, whether it has it or not: to find out how the node fares.
    pub(crate) async fn get(&self, key: &str) -> Result<(), Error> {
        self.ask(redis::cmd("GET").arg(key)).await.map(drop)
    }

    /// Hears that a command got no answer within its deadline.
    pub(crate) fn timed_out(&self) {
        self.connections.timed_out();
    }

    /// Asks this node something about the cluster.
    async fn ask_in_time(&self, command: &redis::Cmd) -> Result<Value, Error> {
        tokio::time::timeout(ASK_TIMEOUT, self.ask(command)).await.unwrap_or_else(|_| {
            self.timed_out();
            Err(Error::new(ErrorKind::Timeout, format!("{} does not answer", self.address)))
        })
    }

    async fn ask(&self, command: &redis::Cmd) -> Result<Value, Error> {
        let mut connection: Connection<'_> = self.connections.connection().await?;
        let answer = connection.link.send(command).await;
        connection.is_replaced_after(&answer);
        answer.map_err(|error| refused(&error))
    }
}

/// The nodes of a cluster.
pub(crate) struct Cluster {
    /// The nodes that the user named: the first to be asked for the map, and the last to be tried.
    seeds: Vec<Arc<Node>>,
    /// How nodes are connected to: as the first seed is.
    client: Client,
    map: ArcSwap<Map>,
    /// Who reads the map, or has just done so.
    reader: Claim,
    reading: watch::Sender<Reading>,
    this: Weak<Self>,
}

/// How the map's reading fares.
#[derive(Debug)]
enum Reading {
    UnderWay,
    Done,
    Failed(String),
}

impl Cluster {
    /// A cluster that has these nodes, and others; the first is connected to by this client, and so are those that are
    /// found.
    pub(super) fn new(client: Client, seeds: Vec<Arc<Node>>) -> Arc<Self> {
        let (reading, _) = watch::channel(Reading::UnderWay);
        Arc::new_cyclic(|this| Self {
            seeds,
            client,
            map: ArcSwap::default(),
            reader: Claim::default(),
            reading,
            this: Weak::clone(this),
        })
    }

    /// A node that is named by its URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write.
    pub(super) fn seed(client: Client) -> Result<Arc<Node>, &'static str> {
        let info = client.get_connection_info();
        if info.redis_settings().db() != 0 {
            return Err("has the number of a database, and a cluster has only one: leave the number out");
        }
        let address = Address::of(info.addr()).ok_or(
            "is a socket in the file system, and the nodes of a cluster have hosts and ports: write redis://host:port/",
        )?;
        Ok(Node::new(address, client))
    }

    /// The node that has a key, where the map says so.
    pub(super) fn node(&self, key: &str) -> Option<Arc<Node>> {
        self.map.load().owner(slot(key)).map(Arc::clone)
    }

    /// Whether any node has ever answered; else why the last attempt to connect to one that the user named failed.
    pub(super) fn contact(&self) -> Contact {
        let nodes = self.nodes();
        let contacts = nodes.iter().chain(&self.seeds).map(|node| node.connections.contact());
        contacts.fold(Contact::Never(None), |known, contact| match (known, contact) {
            (Contact::Made, _) | (_, Contact::Made) => Contact::Made,
            (Contact::Never(known), Contact::Never(why)) => Contact::Never(why.or(known)),
        })
    }

    /// All nodes that have keys, once the map was read.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.map.load().nodes().to_vec()
    }

    /// The node that has a key, once the map has been read.
    pub(super) async fn found(&self, key: &str) -> Result<Arc<Node>, Error> {
        runtime::with_connections()?;
        let mut reading = self.reading.subscribe();
        self.read_again();
        let ended = reading.wait_for(|reading| !matches!(reading, Reading::UnderWay)).await;
        let why = match ended.as_deref() {
            Ok(Reading::Failed(why)) => why.clone(),
            _ => "the map has no node for its slot".to_owned(),
        };
        self.node(key)
            .ok_or_else(|| Error::new(ErrorKind::Unavailable, format!("no node of the cluster has the key: {why}")))
    }

    /// Where a node that does not have a key says it is: for good, which is remembered, or for this once.
    pub(super) fn redirected(&self, from: &Node, error: &RedisError) -> Option<(Arc<Node>, Stay)> {
        let (address, slot) = error.redirect_node()?;
        let address = Address::read(address, &from.address)?;
        if error.kind() == redis::ErrorKind::Server(ServerErrorKind::Ask) {
            return Some((self.learned(&address, None)?, Stay::Once));
        }
        observe::key_moved(slot, &from.address, &address);
        let node = self.learned(&address, Some(slot))?;
        self.read_again();
        Some((node, Stay::ForGood))
    }

    /// The node at this address, which is on the map from now on, with this slot if it has one.
    fn learned(&self, address: &Address, slot: Option<u16>) -> Option<Arc<Node>> {
        let map = self.map.load();
        let mut node = self.at(&map, address)?;
        if map.has(&node, slot) {
            return Some(node);
        }
        self.map.rcu(|map| {
            let mut map = Map::clone(map);
            // Somebody else may have learned of it meanwhile.
            node = map.learn(&node, slot);
            map
        });
        Some(node)
    }

    /// The node at this address: one that is known, or a new one.
    fn at(&self, map: &Map, address: &Address) -> Option<Arc<Node>> {
        let known = map.nodes().iter().chain(&self.seeds).find(|node| node.address == *address);
        known.map(Arc::clone).or_else(|| Some(Node::new(address.clone(), self.client_of(address)?)))
    }

    fn client_of(&self, Address { host, port }: &Address) -> Option<Client> {
        let info = self.client.get_connection_info();
        let addr = match info.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host.clone(), *port),
        };
        Client::open(info.clone().set_addr(addr)).ok()
    }

    /// Sees to it that the map is read again, unless that has just happened.
    pub(super) fn read_again(&self) {
        let Ok(runtime) = runtime::with_connections() else { return };
        if self.reader.take(2 * ASK_TIMEOUT) {
            self.reading.send_replace(Reading::UnderWay);
            runtime.spawn(read(Reader(Weak::clone(&self.this))));
        }
    }

    /// Asks for the map: a few nodes that answered so far, else all others that are known.
    async fn ask(&self) -> Result<Vec<Range>, Error> {
        let nodes = self.nodes();
        let mut up: Vec<_> = nodes.iter().filter(|node| !node.breaker.is_shut()).map(Arc::clone).collect();
        up.sort_by_cached_key(|_| random::bits());
        up.truncate(ASKED);
        let first = first_of(&up).await;
        if let Some(Ok(ranges)) = first {
            return Ok(ranges);
        }
        let mut others: Vec<_> = self.seeds.iter().chain(&nodes).map(Arc::clone).collect();
        others.retain(|node| !up.iter().any(|asked| Arc::ptr_eq(asked, node)));
        first_of(&others).await.or(first).unwrap_or_else(|| Err(given_up()))
    }

    /// Reads the map, and returns which node has which slots, in their order. An error if some slots have no node: nobody
    /// knows what keys they have.
    pub(super) async fn survey(&self) -> Result<Vec<Range>, Error> {
        let mut ranges = self.ask().await?;
        self.install(&ranges);
        ranges.sort_by_key(|range| *range.slots.start());
        let owned: usize = ranges.iter().map(|range| range.slots.len()).sum();
        if owned < usize::from(SLOTS) {
            let missing = usize::from(SLOTS) - owned;
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{missing} hash slots of the cluster have no node"),
            ));
        }
        Ok(ranges)
    }

    /// Whether slots are moving from a node that has keys, or to it.
    pub(super) async fn is_moving(&self) -> Result<bool, Error> {
        let nodes = self.nodes();
        let asked = nodes.iter().map(|node| {
            Box::pin(async {
                let answer = node.ask_in_time(redis::cmd("CLUSTER").arg("NODES")).await?;
                Ok(String::from_redis_value(answer).is_ok_and(|nodes| is_moving(&nodes)))
            })
        });
        Ok(try_join_all(asked).await?.contains(&true))
    }

    fn install(&self, ranges: &[Range]) {
        self.map.rcu(|old| Map::new(ranges, |address| self.at(old, address)));
    }
}

thread_local! {
    /// The node that the command which this thread polls was sent on to.
    static SENT_ON: RefCell<Option<Arc<Node>>> = const { RefCell::new(None) };
}

/// Notes that the command which is being polled is sent on to this node, for whoever polls it: what becomes of it is that
/// node's doing.
pub(super) fn sends_on(node: &Arc<Node>) {
    SENT_ON.set(Some(Arc::clone(node)));
}

/// Polls a command, and tells to which node it was sent on meanwhile.
pub(crate) fn sending_on<T>(poll: impl FnOnce() -> T) -> (T, Option<Arc<Node>>) {
    // What somebody else left there is of another command.
    SENT_ON.take();
    (poll(), SENT_ON.take())
}

/// For how long a redirection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    ForGood,
    /// For one command, which must say that it was sent there.
    Once,
}

/// The map, from whichever of these nodes says it first; `None` where there are none.
async fn first_of(nodes: &[Arc<Node>]) -> Option<Result<Vec<Range>, Error>> {
    if nodes.is_empty() {
        return None;
    }
    let asked = nodes.iter().map(|node| {
        Box::pin(async move {
            let answer = node.ask_in_time(redis::cmd("CLUSTER").arg("SLOTS")).await?;
            ranges(&answer, &node.address)
                .filter(|ranges| !ranges.is_empty())
                .ok_or_else(|| Error::new(ErrorKind::Unavailable, format!("{} has no map of a cluster", node.address)))
        })
    });
    Some(select_ok(asked).await.map(|(ranges, _)| ranges))
}

/// A task that reads the map; gone, another one may.
struct Reader(Weak<Cluster>);

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.reading.send_if_modified(|reading| {
                let unfinished = matches!(reading, Reading::UnderWay);
                if unfinished {
                    *reading = Reading::Failed("the runtime is shutting down".to_owned());
                }
                unfinished
            });
            cluster.reader.give_up();
        }
    }
}

async fn read(reader: Reader) {
    let Some(cluster) = reader.0.upgrade() else { return };
    let reading = match cluster.ask().await {
        Ok(ranges) => {
            cluster.install(&ranges);
            Reading::Done
        }
        Err(error) => {
            observe::no_cluster_map(&error);
            Reading::Failed(error.to_string())
        }
    };
    cluster.reading.send_replace(reading);
    drop(cluster);
    tokio::time::sleep(pause(0, random::unit())).await;
}

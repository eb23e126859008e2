//! A real cluster of the test's own.

use std::time::Duration;

use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;

use crate::{RedisServer, within};

/// How many hash slots there are.
const SLOTS: usize = 16_384;

/// Servers that share the hash slots, each killed when dropped.
#[derive(Debug)]
pub struct RedisCluster {
    /// The primaries in the order of their slots, then one replica of each, where there are any.
    pub nodes: Vec<RedisServer>,
    primaries: usize,
}

impl RedisCluster {
    /// So many primaries, with the slots in equal shares, that serve on when one is gone; with more arguments for each.
    pub async fn start_with(primaries: usize, args: &[&str]) -> Self {
        Self::nodes(primaries, primaries, args).await
    }

    /// So many primaries, and a replica of each that takes over half a second after it fell silent.
    pub async fn with_replicas(primaries: usize) -> Self {
        let quick = ["--cluster-node-timeout", "500", "--repl-diskless-sync-delay", "0"];
        let cluster = Self::nodes(primaries, 2 * primaries, &quick).await;
        for (replica, primary) in cluster.nodes[primaries..].iter().zip(&cluster.nodes) {
            let (mut replica, id) = (replica.client().await, id(primary).await);
            eventually("a replica to know its primary", async || {
                try_ask::<()>(&mut replica, &format!("CLUSTER REPLICATE {id}")).await.is_ok()
            })
            .await;
            eventually("a replica to have its primary's data", async || {
                ask::<String>(&mut replica, "INFO replication").await.contains("master_link_status:up")
            })
            .await;
        }
        cluster
    }

    /// One primary that has all slots, and a node that has none.
    pub async fn with_an_empty_node() -> Self {
        Self::nodes(1, 2, &[]).await
    }

    async fn nodes(primaries: usize, count: usize, args: &[&str]) -> Self {
        let mut nodes = Vec::new();
        for number in 0..count {
            let mut all = vec!["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"];
            all.extend(args);
            let node = RedisServer::start_with(&all).await;
            let mut client = node.client().await;
            ask::<()>(&mut client, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)).await;
            if number < primaries {
                let slots: Vec<_> = share(number, primaries).map(|slot| slot.to_string()).collect();
                ask::<()>(&mut client, &format!("CLUSTER ADDSLOTS {}", slots.join(" "))).await;
            }
            nodes.push(node);
        }
        let cluster = Self { nodes, primaries };
        cluster.meet().await;
        cluster
    }

    /// Makes all nodes known to each other, and waits until each of them knows who has which slots.
    async fn meet(&self) {
        let Some((first, others)) = self.nodes.split_first() else { return };
        let mut client = first.client().await;
        for other in others {
            ask::<()>(&mut client, &format!("CLUSTER MEET 127.0.0.1 {}", other.port())).await;
        }
        for node in &self.nodes {
            let mut client = node.client().await;
            eventually("a node to know the others", async || {
                let info = ask::<String>(&mut client, "CLUSTER INFO").await;
                let nodes = format!("cluster_known_nodes:{}\r", self.nodes.len());
                info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_slots_ok:{SLOTS}\r"))
                    && info.contains(&nodes)
            })
            .await;
        }
    }

    /// The URLs of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The primaries, as the cluster was started.
    pub fn primaries(&self) -> &[RedisServer] {
        &self.nodes[..self.primaries]
    }

    /// The number of the primary that has this key, as the cluster was started.
    pub async fn has(&self, key: &str) -> usize {
        let slot: usize = ask(&mut self.nodes[0].client().await, &format!("CLUSTER KEYSLOT {key}")).await;
        (0..self.primaries).find(|number| share(*number, self.primaries).contains(&slot)).expect("each slot has a node")
    }

    /// Tells both nodes that a slot is about to move.
    pub async fn begins_to_move(&self, slot: usize, from: usize, to: usize) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (from, to) = (id(source).await, id(target).await);
        ask::<()>(&mut target.client().await, &format!("CLUSTER SETSLOT {slot} IMPORTING {from}")).await;
        ask::<()>(&mut source.client().await, &format!("CLUSTER SETSLOT {slot} MIGRATING {to}")).await;
    }

    /// Lets one node forget that a slot is about to move.
    pub async fn hears_nothing_of_a_move(&self, node: usize, slot: usize) {
        ask::<()>(&mut self.nodes[node].client().await, &format!("CLUSTER SETSLOT {slot} STABLE")).await;
    }

    /// Lets all nodes say that one of them is at this port, where somebody stands before it.
    pub async fn is_reached_at(&self, node: usize, port: u16) {
        ask::<()>(&mut self.nodes[node].client().await, &format!("CONFIG SET cluster-announce-port {port}")).await;
        for other in &self.nodes {
            let mut client = other.client().await;
            eventually("the nodes to know the port", async || {
                ask::<String>(&mut client, "CLUSTER NODES").await.contains(&format!("127.0.0.1:{port}@"))
            })
            .await;
        }
    }

    /// Lets a node that was replaced, and is back, take its slots again.
    pub async fn takes_over(&self, node: usize) {
        let mut client = self.nodes[node].client().await;
        eventually("the node to follow its successor", async || {
            ask::<String>(&mut client, "INFO replication").await.contains("master_link_status:up")
        })
        .await;
        eventually("the node to be a primary again", async || {
            // Refused until the others agree that it is a replica.
            let _ = try_ask::<()>(&mut client, "CLUSTER FAILOVER").await;
            ask::<String>(&mut client, "INFO replication").await.contains("role:master")
        })
        .await;
    }

    /// Lets one node say that another one has a slot.
    pub async fn says_of_a_slot(&self, node: usize, slot: usize, other: usize) {
        let id = id(&self.nodes[other]).await;
        ask::<()>(&mut self.nodes[node].client().await, &format!("CLUSTER SETSLOT {slot} NODE {id}")).await;
    }

    /// How often a node answered `MOVED`.
    pub async fn sent_on(&self) -> u64 {
        let mut count = 0;
        for node in &self.nodes {
            let info: String = ask(&mut node.client().await, "INFO errorstats").await;
            let moved = info.lines().find_map(|line| line.strip_prefix("errorstat_MOVED:count="));
            count += moved.map_or(0, |moved| moved.trim().parse().expect("a number"));
        }
        count
    }

    /// Lets nobody have a slot.
    pub async fn lose_slot(&self, slot: usize) {
        for node in &self.nodes {
            ask::<()>(&mut node.client().await, &format!("CLUSTER DELSLOTS {slot}")).await;
        }
    }

    /// Tells both nodes that a slot has moved; its keys must have.
    pub async fn has_moved(&self, slot: usize, from: usize, to: usize) {
        let id = id(&self.nodes[to]).await;
        for node in [to, from] {
            let mut client = self.nodes[node].client().await;
            ask::<()>(&mut client, &format!("CLUSTER SETSLOT {slot} NODE {id}")).await;
        }
    }
}

/// The slots of a primary.
fn share(number: usize, of: usize) -> std::ops::Range<usize> {
    number * SLOTS / of..(number + 1) * SLOTS / of
}

async fn id(node: &RedisServer) -> String {
    ask(&mut node.client().await, "CLUSTER MYID").await
}

async fn ask<T: FromRedisValue>(client: &mut MultiplexedConnection, command: &str) -> T {
    try_ask(client, command).await.unwrap_or_else(|error| panic!("{}: {error}", &command[..command.len().min(40)]))
}

async fn try_ask<T: FromRedisValue>(client: &mut MultiplexedConnection, command: &str) -> redis::RedisResult<T> {
    let mut words = command.split_whitespace();
    let mut command = redis::cmd(words.next().expect("a command"));
    words.for_each(|word| _ = command.arg(word));
    command.query_async(client).await
}

/// Asks again until it is so.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, asking).await;
}

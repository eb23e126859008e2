//! A replica that takes over, with all that its primary had said yes to: a write that Redis had not replicated yet is
//! lost with the primary, and no cache on it can tell.

use std::time::Duration;

use support::{RedisServer, within};
use tokio::time::sleep;

use crate::scene::Scene;

/// Starts a replica, and waits until it has the data, and its primary knows that.
pub(crate) async fn replica_of(scene: &Scene) -> RedisServer {
    let port = scene.server.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await;
    until(&replica, "the replica to have the data", |info| info.contains("master_link_status:up")).await;
    until(&scene.server, "the primary to count on its replica", |info| info.contains("state=online")).await;
    replica
}

/// The primary takes no more writes, and waits for the replica, before the two change places.
pub(crate) async fn hand_over(scene: &mut Scene, replica: &RedisServer) {
    scene.ask::<()>(&["FAILOVER", "TO", "127.0.0.1", &replica.port().to_string()]).await;
    until(replica, "the replica to be the primary", |info| info.contains("role:master")).await;
}

/// Lets the primary take no more writes, and waits until the replica has those that it took.
pub(crate) async fn catch_up(scene: &mut Scene, replica: &RedisServer) {
    scene.ask::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let info: String = scene.ask(&["INFO", "replication"]).await;
    let taken = offset(&info, "master_repl_offset:");
    until(replica, "the replica to have all writes", |info| offset(info, "slave_repl_offset:") >= taken).await;
}

/// The same where the replica is a node of the cluster: it comes after the primaries, in their order.
pub(crate) async fn catch_up_in_cluster(scene: &mut Scene) {
    scene.ask::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let info: String = scene.ask(&["INFO", "replication"]).await;
    let (taken, first_replica) = (offset(&info, "master_repl_offset:"), scene.others.len() / 2);
    let has_all = |info: &str| offset(info, "slave_repl_offset:") >= taken;
    until(&scene.others[first_replica], "the replica to have all writes", has_all).await;
}

/// Waits until the replica of the server that is gone has its keys, in the eyes of all nodes.
pub(crate) async fn is_replaced(scene: &Scene) {
    let gone = format!(":{}@", scene.server.port());
    for node in &scene.others {
        let mut client = node.client().await;
        let replaced = async {
            loop {
                let nodes = redis::cmd("CLUSTER").arg("NODES").query_async::<String>(&mut client).await;
                let nodes = nodes.expect("the node is up");
                // The slots stand at the end of the line of who has them.
                let has_keys = |line: &&str| line.contains(&gone) && line.split(' ').count() > 8;
                if !nodes.lines().any(|line| has_keys(&line)) {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        within("a node to know of the failover", replaced).await;
    }
}

/// Makes the replica a primary.
pub(crate) async fn promote(replica: &RedisServer) {
    let asked = redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).query_async::<()>(&mut replica.client().await).await;
    asked.expect("the replica is up");
}

async fn until(server: &RedisServer, what: &str, is_so: impl Fn(&str) -> bool) {
    let mut client = server.client().await;
    let so = async {
        loop {
            let info = redis::cmd("INFO").arg("replication").query_async::<String>(&mut client).await;
            if is_so(&info.expect("the server is up")) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, so).await;
}

fn offset(info: &str, name: &str) -> u64 {
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {name} in {info}"))
}

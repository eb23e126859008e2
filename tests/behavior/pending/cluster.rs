//! A sweep of a cluster goes through every node, and counts only if no hash slot has moved meanwhile.

use std::time::Duration;

use cache_runtime::{Cache, Outcome, Sweep, report};
use support::{RedisCluster, RedisServer, built};

use super::{
    Versions, all_get_through, ask, eventually, fails_to_invalidate, keeping_none, removes, version, version_entry,
};

const IDS: std::ops::Range<u64> = 0..40;

async fn filled(cluster: &RedisCluster) -> (Cache, Versions) {
    let cache = keeping_none(Cache::builder().redis_cluster(cluster.urls()));
    let versions = Versions::default();
    for id in IDS {
        version(&cache, &versions, id).await;
    }
    (cache, versions)
}

async fn keys(node: &RedisServer) -> u64 {
    ask(&mut node.client().await, "DBSIZE").await
}

async fn scans(node: &RedisServer) -> u64 {
    node.commands().await.count("scan")
}

async fn fails_on_all_nodes(cluster: &RedisCluster, cache: &Cache) {
    for node in &cluster.nodes {
        removes(node, false).await;
    }
    fails_to_invalidate(cache, IDS).await;
}

/// A key of the first node, and its slot.
async fn place(cluster: &RedisCluster) -> (u64, usize) {
    for id in IDS {
        let key = format!("version:{id}");
        if cluster.has(&key).await == 0 {
            return (id, ask(&mut cluster.nodes[0].client().await, &format!("CLUSTER KEYSLOT {key}")).await);
        }
    }
    panic!("no key has its slot on the first node")
}

#[tokio::test]
async fn every_node_is_swept_and_one_that_refuses_holds_up_the_end_and_no_other_node() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, _) = filled(&cluster).await;
    assert!(keys(&cluster.nodes[0]).await > 0 && keys(&cluster.nodes[1]).await > 0, "keys are spread");
    fails_on_all_nodes(&cluster, &cache).await;
    removes(&cluster.nodes[1], true).await;
    eventually("the other node to be swept", async || keys(&cluster.nodes[1]).await == 0).await;
    assert!(keys(&cluster.nodes[0]).await > 0);
    assert_eq!(cache.health().pending().unkept(), 40);
    removes(&cluster.nodes[0], true).await;
    all_get_through(&cache).await;
    assert_eq!(keys(&cluster.nodes[0]).await, 0);
}

#[tokio::test]
async fn a_node_that_is_away_is_swept_when_it_is_back() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, versions) = filled(&cluster).await;
    versions.write();
    cluster.nodes[0].pause();
    let (id, _) = {
        let key = |id: &u64| format!("version:{id}");
        let mut found = None;
        for id in IDS {
            // The second node knows the slots of all keys.
            let slot: usize = ask(&mut cluster.nodes[1].client().await, &format!("CLUSTER KEYSLOT {}", key(&id))).await;
            found = found.or((slot < 8_192).then_some((id, slot)));
        }
        found.expect("keys are spread")
    };
    fails_to_invalidate(&cache, [id]).await;
    eventually("the other node to be swept", async || keys(&cluster.nodes[1]).await == 0).await;
    assert_eq!(cache.health().pending().unkept(), 1);
    cluster.nodes[0].resume();
    all_get_through(&cache).await;
    let elsewhere = built(Cache::builder().redis_cluster(cluster.urls()).deadline(Duration::from_secs(5)));
    assert_eq!(version_entry(&elsewhere, id).get().await.expect("the node is back"), None);
}

/// Its key may be behind the sweep on the one node and ahead of it on the other.
#[tokio::test]
async fn a_sweep_does_not_end_while_a_slot_is_moving_and_removes_keys_that_have_moved() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, versions) = filled(&cluster).await;
    let (id, slot) = place(&cluster).await;
    cluster.begins_to_move(slot, 0, 1).await;
    version_entry(&cache, id).invalidate().await.expect("where it still is");
    let (_, loaded) = report(version(&cache, &versions, id)).await;
    assert_eq!(loaded.calls()[0].outcome(), Outcome::Miss, "it is where it moves to by now");
    fails_on_all_nodes(&cluster, &cache).await;
    for node in &cluster.nodes {
        removes(node, true).await;
    }
    eventually("the sweep to wait for the slot", async || {
        let health = cache.health();
        assert_eq!(health.pending().unkept(), 40, "{health}");
        health.pending().last_error().is_some_and(|why| why.contains("moving"))
    })
    .await;
    assert_eq!((keys(&cluster.nodes[0]).await, keys(&cluster.nodes[1]).await), (0, 0), "the moved key included");
    let before = scans(&cluster.nodes[1]).await;
    cluster.has_moved(slot, 0, 1).await;
    all_get_through(&cache).await;
    assert!(scans(&cluster.nodes[1]).await > before, "it is swept once more");
}

#[tokio::test]
async fn a_sweep_during_which_a_slot_has_moved_is_repeated() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, _) = filled(&cluster).await;
    let (id, slot) = place(&cluster).await;
    version_entry(&cache, id).invalidate().await.expect("the node is up");
    fails_on_all_nodes(&cluster, &cache).await;
    removes(&cluster.nodes[0], true).await;
    eventually("the first node to be swept", async || keys(&cluster.nodes[0]).await == 0).await;
    let before = scans(&cluster.nodes[0]).await;
    cluster.begins_to_move(slot, 0, 1).await;
    cluster.has_moved(slot, 0, 1).await;
    assert_eq!((scans(&cluster.nodes[0]).await, cache.health().pending().sweep()), (before, Sweep::Pending));
    removes(&cluster.nodes[1], true).await;
    all_get_through(&cache).await;
    assert!(scans(&cluster.nodes[0]).await > before, "it is swept once more");
}

#[tokio::test]
async fn a_sweep_does_not_end_while_nobody_has_some_of_the_slots() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, _) = filled(&cluster).await;
    let (_, slot) = place(&cluster).await;
    fails_on_all_nodes(&cluster, &cache).await;
    cluster.lose_slot(slot).await;
    for node in &cluster.nodes {
        removes(node, true).await;
    }
    eventually("the sweep to wait for the slot", async || {
        let health = cache.health();
        assert_eq!(health.pending().unkept(), 40, "{health}");
        health.pending().last_error().is_some_and(|why| why.contains("1 hash slots of the cluster have no node"))
    })
    .await;
    ask::<()>(&mut cluster.nodes[0].client().await, &format!("CLUSTER ADDSLOTS {slot}")).await;
    all_get_through(&cache).await;
}

#[tokio::test]
async fn a_replica_that_takes_over_is_swept_in_place_of_its_primary() {
    let mut cluster = RedisCluster::with_replicas(3).await;
    let (cache, _) = filled(&cluster).await;
    let (id, _) = place(&cluster).await;
    cluster.nodes[0].kill();
    fails_to_invalidate(&cache, [id]).await;
    all_get_through(&cache).await;
    // The replicas follow their primaries, and the first of them is one by now.
    eventually("all nodes to be empty", async || {
        let mut left = 0;
        for node in &cluster.nodes[1..] {
            left += keys(node).await;
        }
        left == 0
    })
    .await;
}

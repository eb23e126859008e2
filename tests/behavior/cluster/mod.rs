//! A cluster: each key at its node, with that node's bad days and moves; the others serve on.

mod faults;
mod map;
mod moves;

use std::collections::BTreeMap;
use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, ErrorKind, Outcome, State, redis_cached, report};
use support::{Origin, RedisCluster, built, within};

#[redis_cached(key = "answer:<id>", ttl = 600, lock = true, cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    origin.run().await;
    id
}

async fn outcome(cache: &Cache, origin: &Origin, id: u64) -> Outcome {
    let (value, report) = report(answer(cache, origin, id)).await;
    assert_eq!(value, id);
    report.calls()[0].outcome()
}

fn on(cluster: &RedisCluster) -> CacheBuilder {
    Cache::builder().redis_cluster(cluster.urls()).deadline(Duration::from_millis(200))
}

/// Some keys of each node.
async fn keys(cluster: &RedisCluster) -> Vec<Vec<u64>> {
    let mut keys = vec![Vec::new(); cluster.primaries().len()];
    for id in 0..60 {
        keys[cluster.has(&format!("answer:{id}")).await].push(id);
    }
    assert!(keys.iter().all(|of_node| of_node.len() > 5), "keys are spread: {keys:?}");
    keys
}

/// The slot of a key.
async fn slot(cluster: &RedisCluster, cache: &Cache, id: u64) -> usize {
    let key = answer_entry(cache, id).key().to_string();
    let mut client = cluster.nodes[0].client().await;
    redis::cmd("CLUSTER").arg(&["KEYSLOT", &key]).query_async(&mut client).await.expect("a node of a cluster knows")
}

/// Asks again until it is so.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, asking).await;
}

/// What all nodes were asked together.
async fn commands(cluster: &RedisCluster) -> Vec<support::Commands> {
    let mut all = Vec::new();
    for node in &cluster.nodes {
        all.push(node.commands().await);
    }
    all
}

async fn since(cluster: &RedisCluster, earlier: &[support::Commands]) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for (now, earlier) in commands(cluster).await.iter().zip(earlier) {
        for (name, count) in now.since(earlier) {
            *sum.entry(name).or_default() += count;
        }
    }
    sum
}

#[tokio::test]
async fn one_node_is_enough_to_find_all_and_each_key_costs_what_it_costs_on_one_server() {
    let cluster = RedisCluster::start_with(3, &["--requirepass", "hunter2", "--masterauth", "hunter2"]).await;
    let origin = Origin::default();
    let cache = built(Cache::builder().redis_cluster([cluster.nodes[1].url()]));
    let (keys, first) = (keys(&cluster).await, commands(&cluster).await);
    for of_node in keys {
        assert_eq!(outcome(&cache, &origin, of_node[0]).await, Outcome::Miss, "connections are made, scripts are sent");
        let before = commands(&cluster).await;
        assert_eq!(outcome(&cache, &origin, of_node[1]).await, Outcome::Miss);
        let miss = since(&cluster, &before).await;
        assert_eq!((miss["get"], miss["evalsha"]), (1, 2), "{miss:?}");
        let before = commands(&cluster).await;
        assert_eq!(outcome(&cache, &origin, of_node[1]).await, Outcome::Hit);
        assert_eq!(since(&cluster, &before).await, BTreeMap::from([("get".to_owned(), 1)]));
        let before = commands(&cluster).await;
        answer_entry(&cache, of_node[1]).invalidate().await.expect("all nodes are up");
        assert_eq!(since(&cluster, &before).await, BTreeMap::from([("unlink".to_owned(), 1)]));
        assert_eq!(outcome(&cache, &origin, of_node[1]).await, Outcome::Miss);
    }
    let health = cache.health();
    assert_eq!((health.servers().len(), health.state()), (3, State::Up), "{health}");
    assert_eq!(since(&cluster, &first).await["cluster|slots"], 1, "the map is read once");
    let made =
        commands(&cluster).await.iter().zip(&first).map(|(now, first)| now.connections_made_since(first)).sum::<u64>();
    assert_eq!(made, 3, "that of the node that was asked for the map is used on");
}

#[tokio::test]
async fn who_waits_for_another_process_is_woken_in_a_cluster_too() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let caches = [(); 2].map(|()| built(on(&cluster).deadline(support::PATIENCE)));
    let origin = Origin::held();
    let (first, second, ()) =
        tokio::join!(outcome(&caches[0], &origin, 7), outcome_once_leased(&caches[1], &origin), async {
            origin.has_begun(1).await;
            is_tracked(&cluster).await;
            origin.let_go();
        });
    assert_eq!((first, second, origin.runs()), (Outcome::Miss, Outcome::Waited, 1));
}

async fn outcome_once_leased(cache: &Cache, origin: &Origin) -> Outcome {
    origin.has_begun(1).await;
    outcome(cache, origin, 7).await
}

/// Waits until somebody has registered for a push.
async fn is_tracked(cluster: &RedisCluster) {
    let tracked = async {
        loop {
            for node in &cluster.nodes {
                let info: String = redis::cmd("INFO")
                    .arg("stats")
                    .query_async(&mut node.client().await)
                    .await
                    .expect("a running server answers");
                if info.contains("tracking_total_keys:1") {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a registration for a push", tracked).await;
}

#[test]
fn urls_that_are_of_no_cluster_are_refused_with_the_cure() {
    let refused = |urls: &[&str]| {
        let error = Cache::builder().redis_cluster(urls.iter().copied()).build().expect_err("is of no cluster");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        error.to_string()
    };
    assert!(refused(&[]).contains("needs the URL of one of its nodes"));
    assert!(refused(&["redis://a/", "redis://b/2"]).contains("leave the number out"));
    assert!(refused(&["redis+unix:///run/redis.sock"]).contains("hosts and ports"));
    let secret = refused(&["redis://a/", "http://ada:hunter2@db"]);
    assert!(secret.contains("the URL (2 of 2) is not a Redis URL") && !secret.contains("hunter2"), "{secret}");
}

//! A cluster: each key at its node, with that node's bad days and moves; the others serve on.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, ErrorKind, Outcome, State, redis_cached, report};
use support::{Events, Origin, RedisCluster, RedisServer, built, within};
use tracing::Level;

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
}

#[tokio::test]
async fn a_node_that_hangs_is_left_alone_by_itself_and_found_again() {
    let cluster = RedisCluster::start_with(3, &[]).await;
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let keys = keys(&cluster).await;
    for id in keys.concat() {
        outcome(&cache, &origin, id).await;
    }
    let events = Events::capture();
    cluster.nodes[0].pause();
    let down = async {
        for id in keys[0].iter().cycle() {
            if cache.health().state() == State::Down {
                break;
            }
            answer(&cache, &origin, *id).await;
        }
    };
    within("the breaker of the node", down).await;
    let (health, name) = (cache.health(), format!("127.0.0.1:{}", cluster.nodes[0].port()));
    let states: Vec<_> = health.servers().iter().map(cache_runtime::Server::state).collect();
    assert_eq!(states, [State::Down, State::Up, State::Up], "{health}");
    assert_eq!(health.servers()[0].name(), name);
    let refused = answer_entry(&cache, keys[0][0]).get().await.expect_err("its node is not asked");
    assert!(refused.kind() == ErrorKind::BreakerOpen && refused.to_string().contains(&name), "{refused}");
    for id in keys[1..].concat() {
        assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit, "the others have not failed");
    }
    let said = events.at_least(Level::ERROR);
    assert_eq!(said.iter().filter(|event| event.message.contains("the store is down")).count(), 1);

    cluster.nodes[0].resume();
    let used = async {
        while cache.health().state() != State::Up || outcome(&cache, &origin, keys[0][0]).await != Outcome::Hit {
            answer(&cache, &origin, keys[0][0]).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a hit on the node that came back", used).await;
}

#[tokio::test]
async fn an_invalidation_that_one_node_did_not_hear_does_not_hold_up_those_of_others() {
    let mut cluster = RedisCluster::start_with(3, &[]).await;
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let keys = keys(&cluster).await;
    for id in keys.concat() {
        outcome(&cache, &origin, id).await;
    }
    cluster.nodes[0].kill();
    cluster.nodes[1].pause();
    answer_entry(&cache, keys[0][0]).invalidate().await.expect_err("its node is gone");
    answer_entry(&cache, keys[1][0]).invalidate().await.expect_err("its node hangs");
    assert_eq!(cache.health().owed_invalidations(), 2);
    cluster.nodes[1].resume();
    let paid = async {
        while cache.health().owed_invalidations() == 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the invalidation on the node that came back", paid).await;
    assert_eq!(outcome(&cache, &origin, keys[1][0]).await, Outcome::Miss);
}

#[tokio::test]
async fn a_replica_that_takes_over_is_found_without_help() {
    let mut cluster = RedisCluster::with_replicas(3).await;
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let keys = keys(&cluster).await;
    for id in keys.concat() {
        assert_eq!(outcome(&cache, &origin, id).await, Outcome::Miss);
    }
    let name = format!("127.0.0.1:{}", cluster.nodes[0].port());
    cluster.nodes[0].kill();
    let served = async {
        while outcome(&cache, &origin, keys[0][0]).await != Outcome::Hit {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a hit on the replica that took over", served).await;
    let health = cache.health();
    assert_eq!(health.servers().len(), 3, "{health}");
    assert!(health.servers().iter().all(|server| server.name() != name), "who is gone is not reported: {health}");
    answer_entry(&cache, keys[0][1]).invalidate().await.expect("the new primary takes it");
    assert_eq!(outcome(&cache, &origin, keys[0][1]).await, Outcome::Miss);
}

#[tokio::test]
async fn a_slot_that_moves_is_followed_while_it_moves_and_afterwards() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, origin) = (built(on(&cluster).deadline(support::PATIENCE)), Origin::default());
    let id = keys(&cluster).await[0][0];
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Miss);
    let key = answer_entry(&cache, id).key().to_string();
    let slot: usize = redis::cmd("CLUSTER")
        .arg(&["KEYSLOT", &key])
        .query_async(&mut cluster.nodes[0].client().await)
        .await
        .expect("a node of a cluster knows");

    cluster.begins_to_move(slot, 0, 1).await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit, "it has not moved yet");
    answer_entry(&cache, id).invalidate().await.expect("where it still is");
    let before = cluster.nodes[1].commands().await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Miss, "what is not there any more is where it moves to");
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit);
    let asked = cluster.nodes[1].commands().await.since(&before);
    assert_eq!((asked["asking"], asked["eval"]), (4, 2), "{asked:?}");
    answer_entry(&cache, id).invalidate().await.expect("where it has moved to");
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Miss);

    cluster.has_moved(slot, 0, 1).await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit);
    let before = commands(&cluster).await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit);
    let after = since(&cluster, &before).await;
    assert_eq!(after["get"], 1, "where it has moved to is remembered: {after:?}");
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

#[tokio::test]
async fn a_cluster_that_is_away_when_the_program_starts_is_used_when_it_comes() {
    let mut cluster = RedisCluster::start_with(2, &[]).await;
    let urls = cluster.urls();
    cluster.nodes.iter_mut().for_each(RedisServer::kill);
    let events = Events::capture();
    let (cache, origin) =
        (built(Cache::builder().redis_cluster(urls).deadline(Duration::from_millis(200))), Origin::default());
    let down = async {
        for id in 0.. {
            if cache.health().state() == State::Down {
                break;
            }
            assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
        }
    };
    within("the breaker of the cluster", down).await;
    assert_eq!(cache.health().servers()[0].name(), "the cluster");
    assert!(events.at_least(Level::WARN).iter().any(|event| event.message.contains("no node of the cluster")));
    for node in &mut cluster.nodes {
        node.restart().await;
    }
    let used = async {
        while outcome(&cache, &origin, 1).await != Outcome::Hit {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a hit in the cluster that came", used).await;
    assert_eq!(cache.health().servers().len(), 2);
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
    assert!(secret.contains("http://***@db") && !secret.contains("hunter2"), "{secret}");
}

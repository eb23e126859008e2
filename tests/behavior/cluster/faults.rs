//! Nodes that fail, and come back.

use std::time::Duration;

use cache_runtime::{Cache, ErrorKind, Outcome, State, redis_cached, report};
use support::{Events, Liar, Lie, On, Origin, PATIENCE, Proxy, RedisCluster, RedisServer, Worker, built, within};
use tracing::Level;

use super::{answer, answer_entry, eventually, keys, on, outcome};

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
    assert_eq!(cache.health().pending_invalidations(), 2);
    cluster.nodes[1].resume();
    let paid = async {
        while cache.health().pending_invalidations() == 2 {
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
    let (name, events) = (format!("127.0.0.1:{}", cluster.nodes[0].port()), Events::capture());
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
    eventually("who is gone to be probed no more", async || has_left(&events)).await;
}

/// Whether nobody probes a node any more, since others have its keys.
fn has_left(events: &Events) -> bool {
    events.all().iter().any(|event| event.message.contains("has left the cluster"))
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
    // The cluster as a whole is down until it has been probed.
    eventually("its nodes alone to count", async || cache.health().servers().len() == 2).await;
}

/// As a name does that leads to other machines by now: only a new connection finds that out.
#[tokio::test]
async fn a_named_node_whose_connection_hangs_is_dialed_anew() {
    let (old, new) = (RedisCluster::start_with(1, &[]).await, RedisCluster::start_with(1, &[]).await);
    let name = Proxy::before(&old.nodes[0]).await;
    let cache = built(Cache::builder().redis_cluster([name.url()]).deadline(Duration::from_millis(200)));
    let origin = Origin::default();
    assert_eq!(outcome(&cache, &origin, 1).await, Outcome::Miss);
    old.nodes[0].pause();
    name.lead_newcomers_to(&new.nodes[0]);
    eventually("a hit in the cluster that the name leads to", async || {
        outcome(&cache, &origin, 1).await == Outcome::Hit
    })
    .await;
}

/// It takes connections, and answers nothing over them: those that the probes made are given up too.
#[tokio::test]
async fn a_node_whose_connections_fall_silent_one_after_the_other_is_found_again() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let liar = Liar::before(&cluster.nodes[0]).await;
    cluster.is_reached_at(0, liar.port()).await;
    let cache = built(Cache::builder().redis_cluster([cluster.nodes[1].url()]).deadline(Duration::from_millis(200)));
    let (keys, origin) = (keys(&cluster).await, Origin::default());
    for id in keys.concat() {
        outcome(&cache, &origin, id).await;
    }
    liar.lies(On::Get, Lie::FallsSilent(Vec::new()));
    eventually("the breaker of the node", async || {
        answer(&cache, &origin, keys[0][0]).await;
        cache.health().state() == State::Down
    })
    .await;
    let before = cluster.nodes[0].commands().await;
    eventually("a connection for a probe", async || {
        cluster.nodes[0].commands().await.connections_made_since(&before) > 0
    })
    .await;
    liar.is_honest();
    eventually("the node to be used again", async || outcome(&cache, &origin, keys[0][0]).await == Outcome::Hit).await;
}

/// Each node has a clock of its own, and this machine's is none of them.
#[tokio::test]
async fn a_machine_whose_clock_is_hours_ahead_goes_by_the_clocks_of_the_nodes() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let url = cluster.nodes[0].url();
    let mut worker = Worker::start(env!("CARGO_BIN_EXE_worker"), "clock-ahead-in-a-cluster", Some(&url)).await;
    worker.tell("go").await;
    let cache = built(on(&cluster));
    for id in 0..10 {
        // It puts every other one itself, the first one before anything else.
        let found = if id % 2 == 0 { "hit" } else { "miss" };
        assert_eq!(worker.hear().await, format!("{id} {found}:1"));
        let (_, reported) = report(clock(&cache, id)).await;
        let called = &reported.calls()[0];
        assert_eq!(called.outcome(), Outcome::Hit);
        let fresh_for = called.fresh_for().expect("a hit").as_secs();
        assert!((500..=600).contains(&fresh_for), "value {id}, which is theirs, is fresh for {fresh_for} s");
    }
}

/// As the worker has it.
#[redis_cached(
    key = "clock:<id>", ttl = 600, jitter = 0.0, stale_while_revalidate = 600, cache = cache, skip(cache)
)]
async fn clock(cache: &Cache, id: u64) -> u64 {
    id
}

/// Its breaker was open when it left, and nobody probed it any more.
#[tokio::test]
async fn a_node_that_left_and_came_back_begins_anew_for_invalidations_alone_too() {
    let mut cluster = RedisCluster::with_replicas(3).await;
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let keys = keys(&cluster).await;
    for id in keys.concat() {
        outcome(&cache, &origin, id).await;
    }
    let (name, events) = (format!("127.0.0.1:{}", cluster.nodes[0].port()), Events::capture());
    let has = |cache: &Cache| cache.health().servers().iter().any(|server| server.name() == name);
    cluster.nodes[0].kill();
    eventually("the breaker of the node", async || {
        let _ = answer_entry(&cache, keys[0][0]).invalidate().await;
        cache.health().state() == State::Down
    })
    .await;
    eventually("the node to be none of the cluster", async || has_left(&events) && !has(&cache)).await;
    cluster.nodes[0].restart().await;
    cluster.takes_over(0).await;
    eventually("an invalidation to be sent to the node that is back", async || {
        let done = answer_entry(&cache, keys[0][0]).invalidate().await;
        assert!(!done.as_ref().is_err_and(|error| error.kind() == ErrorKind::BreakerOpen), "{done:?}");
        has(&cache) && done.is_ok()
    })
    .await;
    eventually("all servers to be up", async || cache.health().state() == State::Up).await;
}

#[tokio::test]
async fn what_is_kept_of_a_node_that_is_down_outlives_the_recovery_of_another() {
    let mut cluster = RedisCluster::start_with(3, &[]).await;
    let (cache, origin) = (built(on(&cluster).degraded_ttl(PATIENCE)), Origin::default());
    let keys = keys(&cluster).await;
    for id in keys.concat() {
        outcome(&cache, &origin, id).await;
    }
    cluster.nodes[0].kill();
    cluster.nodes[1].kill();
    let down = |cache: &Cache| cache.health().servers().iter().filter(|server| server.state() == State::Down).count();
    eventually("both breakers", async || {
        answer(&cache, &origin, keys[0][0]).await;
        answer(&cache, &origin, keys[1][0]).await;
        down(&cache) == 2
    })
    .await;
    answer(&cache, &origin, keys[1][0]).await;
    let runs = origin.runs();
    answer(&cache, &origin, keys[1][0]).await;
    assert_eq!(origin.runs(), runs, "it is kept");
    cluster.nodes[0].restart().await;
    eventually("one of them to be back", async || down(&cache) == 1).await;
    answer(&cache, &origin, keys[1][0]).await;
    assert_eq!(origin.runs(), runs, "the node that has it is still down");
}

/// Its keys are another node's by then, and if that one fails too, what was kept is of the time before.
#[tokio::test]
async fn what_is_kept_of_a_node_that_left_is_not_served_in_the_next_outage() {
    let mut cluster = RedisCluster::with_replicas(3).await;
    let (cache, origin) = (built(on(&cluster).degraded_ttl(PATIENCE)), Origin::default());
    let keys = keys(&cluster).await;
    let (id, other, events) = (keys[0][0], keys[0][1], Events::capture());
    cluster.nodes[0].kill();
    eventually("the value to be kept", async || {
        answer(&cache, &origin, id).await;
        cache.health().state() == State::Down && outcome(&cache, &origin, id).await == Outcome::Hit
    })
    .await;
    let name = format!("127.0.0.1:{}", cluster.nodes[0].port());
    eventually("the replica to take over", async || {
        answer(&cache, &origin, other).await;
        let health = cache.health();
        health.state() == State::Up && health.servers().iter().all(|server| server.name() != name)
    })
    .await;
    // The prober of the node that left has seen it by now, or does so within its longest pause.
    eventually("the node to be given up for good", async || has_left(&events)).await;
    cluster.nodes[3].kill();
    eventually("the breaker of the replica", async || {
        answer(&cache, &origin, other).await;
        cache.health().state() == State::Down
    })
    .await;
    let runs = origin.runs();
    answer(&cache, &origin, id).await;
    assert_eq!(origin.runs(), runs + 1, "what was kept is of the outage before");
}

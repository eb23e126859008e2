//! Slots that move.

use cache_runtime::{Cache, ErrorKind, Outcome, State};
use support::{Events, Origin, PATIENCE, RedisCluster, built};
use tokio::runtime::Builder;
use tracing::Level;

use super::{answer_entry, commands, eventually, keys, on, outcome, since, slot};

#[tokio::test]
async fn a_slot_that_moves_is_followed_while_it_moves_and_afterwards() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, origin) = (built(on(&cluster).deadline(PATIENCE)), Origin::default());
    let id = keys(&cluster).await[0][0];
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Miss);
    let slot = slot(&cluster, &cache, id).await;

    cluster.begins_to_move(slot, 0, 1).await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit, "it has not moved yet");
    answer_entry(&cache, id).invalidate().await.expect("where it still is");
    let before = cluster.nodes[1].commands().await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Miss, "what is not there any more is where it moves to");
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit);
    let asked = cluster.nodes[1].commands().await.since(&before);
    assert_eq!((asked["asking"], asked["eval"]), (4, 2), "{asked:?}");
    assert_eq!(cluster.sent_on().await, 0, "it is there for this once, and asked for where it still is");
    answer_entry(&cache, id).invalidate().await.expect("where it has moved to");
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Miss);

    cluster.has_moved(slot, 0, 1).await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit);
    let (before, sent_on) = (commands(&cluster).await, cluster.sent_on().await);
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Hit);
    let after = since(&cluster, &before).await;
    // Who does not have the key does not count the command.
    assert_eq!((after["get"], cluster.sent_on().await), (1, sent_on), "where it has moved to is remembered: {after:?}");
}

/// A node that is new has no slots at first, so the map does not know it: each command once dialed it anew.
#[tokio::test]
async fn a_node_that_gets_its_first_slot_is_dialed_once() {
    let cluster = RedisCluster::with_an_empty_node().await;
    let only = Cache::builder().redis_cluster([cluster.nodes[0].url()]);
    let (cache, origin) = (built(only.deadline(PATIENCE)), Origin::default());
    assert_eq!(outcome(&cache, &origin, 1).await, Outcome::Miss);
    let slot = slot(&cluster, &cache, 1).await;
    cluster.begins_to_move(slot, 0, 1).await;
    answer_entry(&cache, 1).invalidate().await.expect("where it still is");
    assert_eq!(outcome(&cache, &origin, 1).await, Outcome::Miss);
    let before = cluster.nodes[1].commands().await;
    for _ in 0..20 {
        assert_eq!(outcome(&cache, &origin, 1).await, Outcome::Hit);
    }
    let after = cluster.nodes[1].commands().await;
    assert_eq!(after.since(&before)["get"], 20);
    assert_eq!(after.connections_made_since(&before), 0);
}

#[tokio::test]
async fn who_waits_for_a_key_whose_slot_moves_polls_where_it_moves_to() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let caches = [(); 2].map(|()| built(on(&cluster).deadline(PATIENCE)));
    let id = keys(&cluster).await[0][0];
    cluster.begins_to_move(slot(&cluster, &caches[0], id).await, 0, 1).await;
    let origin = Origin::held();
    let before = cluster.nodes[1].commands().await;
    let (first, second, ()) = tokio::join!(
        outcome(&caches[0], &origin, id),
        async {
            origin.has_begun(1).await;
            outcome(&caches[1], &origin, id).await
        },
        async {
            origin.has_begun(1).await;
            eventually("the second caller to look again", async || {
                cluster.nodes[1].commands().await.since(&before).get("get").is_some_and(|looks| *looks > 3)
            })
            .await;
            origin.let_go();
        }
    );
    assert_eq!((first, second, origin.runs()), (Outcome::Miss, Outcome::Waited, 1));
}

/// What it says itself comes in time: only the other one is to blame.
#[tokio::test]
async fn a_node_that_sends_on_is_not_to_blame_for_one_that_hangs() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let keys = keys(&cluster).await;
    for id in keys.concat() {
        outcome(&cache, &origin, id).await;
    }
    let id = keys[0][0];
    cluster.begins_to_move(slot(&cluster, &cache, id).await, 0, 1).await;
    answer_entry(&cache, id).invalidate().await.expect("where it still is");
    cluster.nodes[1].pause();
    eventually("the breaker of the node that hangs", async || {
        assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
        cache.health().state() == State::Down
    })
    .await;
    let (health, name) = (cache.health(), format!("127.0.0.1:{}", cluster.nodes[1].port()));
    assert_eq!((health.servers()[0].name(), health.servers()[1].state()), (&*name, State::Up), "{health}");
    assert_eq!(outcome(&cache, &origin, keys[0][1]).await, Outcome::Hit, "{health}");
    let refused = answer_entry(&cache, id).get().await.expect_err("it is not followed there");
    assert!(refused.kind() == ErrorKind::BreakerOpen && refused.to_string().contains(&name), "{refused}");
    cluster.nodes[1].resume();
    eventually("a miss where the slot moves to", async || outcome(&cache, &origin, id).await == Outcome::Hit).await;
}

/// A prober goes with its runtime, and no key of the node's own is asked for.
#[test]
fn a_node_that_is_down_is_probed_by_whoever_is_sent_on_to_it() {
    let [first, second] = [(); 2].map(|()| Builder::new_current_thread().enable_all().build().expect("a runtime"));
    let cluster = second.block_on(RedisCluster::start_with(2, &[]));
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let id = second.block_on(async {
        let id = keys(&cluster).await[0][0];
        cluster.begins_to_move(slot(&cluster, &cache, id).await, 0, 1).await;
        outcome(&cache, &origin, id).await;
        id
    });
    cluster.nodes[1].pause();
    first.block_on(eventually("the breaker of the node that hangs", async || {
        assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
        cache.health().state() == State::Down
    }));
    drop(first);
    cluster.nodes[1].resume();
    second.block_on(eventually("a hit where the slot moves to", async || {
        outcome(&cache, &origin, id).await == Outcome::Hit
    }));
}

#[tokio::test]
async fn nodes_that_send_in_circles_are_not_followed_for_ever() {
    let cluster = RedisCluster::start_with(2, &["--cluster-node-timeout", "60000"]).await;
    let (cache, origin) = (built(on(&cluster).deadline(PATIENCE)), Origin::default());
    let id = keys(&cluster).await[0][0];
    let slot = slot(&cluster, &cache, id).await;
    assert_eq!(outcome(&cache, &origin, keys(&cluster).await[0][1]).await, Outcome::Miss);
    cluster.says_of_a_slot(0, slot, 1).await;
    let events = Events::capture();
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
    let sent_on = cluster.sent_on().await;
    assert!((1..=12).contains(&sent_on), "{sent_on} redirections of one call");
    let said = events.at_least(Level::WARN);
    assert!(said.iter().all(|event| !format!("{event:?}").contains("redis_cluster")), "it is one: {said:?}");
}

#[tokio::test]
async fn only_the_node_that_was_named_is_told_that_it_has_a_key_for_this_once() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, origin) = (built(on(&cluster).deadline(PATIENCE)), Origin::default());
    let id = keys(&cluster).await[0][0];
    let slot = slot(&cluster, &cache, id).await;
    cluster.begins_to_move(slot, 0, 1).await;
    // It sends back what it is sent.
    cluster.hears_nothing_of_a_move(1, slot).await;
    assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
    let told: Vec<_> = commands(&cluster).await.iter().map(|commands| commands.count("asking")).collect();
    assert!(told[0] == 0 && told[1] > 0, "{told:?}");
}

#[tokio::test]
async fn a_slot_that_nobody_has_is_seen_in_health_and_holds_up_no_other() {
    let cluster = RedisCluster::start_with(2, &[]).await;
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let keys = keys(&cluster).await;
    let id = keys[0][0];
    cluster.lose_slot(slot(&cluster, &cache, id).await).await;
    eventually("the breaker of what nobody has", async || {
        assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
        cache.health().state() == State::Down
    })
    .await;
    let health = cache.health();
    assert!(health.why().is_some_and(|why| why.contains("no node")) || health.servers().len() == 2, "{health}");
    eventually("a hit on a key beside it", async || outcome(&cache, &origin, keys[1][0]).await == Outcome::Hit).await;
}

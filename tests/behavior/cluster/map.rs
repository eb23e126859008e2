//! Who reads the map, when, and from whom.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use cache_runtime::{Cache, Outcome, State};
use futures_util::future::join_all;
use support::{Liar, Lie, On, Origin, PATIENCE, RedisCluster, RedisServer, built, within};
use tokio::runtime::Builder;

use super::{answer, answer_entry, commands, eventually, keys, on, outcome, since, slot};

/// One move is seldom the only one; and each of many says so.
#[tokio::test]
async fn a_key_that_has_moved_has_the_map_read_by_a_few_nodes_and_once_for_many() {
    let cluster = RedisCluster::start_with(5, &["--cluster-node-timeout", "60000"]).await;
    let (cache, origin) = (built(on(&cluster).deadline(PATIENCE)), Origin::default());
    let keys = keys(&cluster).await;
    for of_node in &keys {
        assert_eq!(outcome(&cache, &origin, of_node[0]).await, Outcome::Miss, "connections are made");
    }
    let id = keys[0][1];
    cluster.says_of_a_slot(0, slot(&cluster, &cache, id).await, 1).await;
    eventually("some nodes to be asked for the map, and not all", async || {
        let before = commands(&cluster).await;
        assert_eq!(outcome(&cache, &origin, id).await, Outcome::Degraded);
        let now = commands(&cluster).await;
        let asked = now.iter().zip(&before).filter(|(now, before)| now.since(before).contains_key("cluster|slots"));
        (1..cluster.nodes.len()).contains(&asked.count())
    })
    .await;
    let (before, sent_on) = (commands(&cluster).await, cluster.sent_on().await);
    // All at once: how fast the machine is makes no difference.
    let looks = join_all((0..200).map(async |_| answer_entry(&cache, id).get().await)).await;
    assert!(looks.iter().all(Result::is_err), "nobody has it");
    let (after, sent_on) = (since(&cluster, &before).await, cluster.sent_on().await - sent_on);
    let asked = after.get("cluster|slots").copied().unwrap_or(0);
    assert!(asked < sent_on / 10, "{asked} questions for the map after {sent_on} redirections");
}

/// It would fail again, and the map would be read the later for it.
#[tokio::test]
async fn a_node_that_is_given_up_is_not_asked_for_the_map_while_others_answer() {
    let cluster = RedisCluster::start_with(3, &[]).await;
    let liar = Liar::before(&cluster.nodes[0]).await;
    cluster.is_reached_at(0, liar.port()).await;
    let seeds = cluster.nodes[1..].iter().map(RedisServer::url);
    let (cache, origin) = (built(Cache::builder().redis_cluster(seeds).deadline(PATIENCE)), Origin::default());
    let keys = keys(&cluster).await;
    for id in keys.concat() {
        outcome(&cache, &origin, id).await;
    }
    // All but the keys it has to say.
    liar.lies(On::Get, Lie::Says(b"-LOADING it has just begun\r\n".to_vec()));
    eventually("the breaker of the node", async || {
        answer(&cache, &origin, keys[0][0]).await;
        cache.health().state() == State::Down
    })
    .await;
    let asked = async |node: usize| cluster.nodes[node].commands().await.count("cluster|slots");
    let others = async || asked(1).await + asked(2).await;
    let begun = others().await;
    // The first reading may have begun before.
    eventually("the map to be read for a while", async || others().await > begun + 4).await;
    let (of_it, of_others) = (asked(0).await, others().await);
    eventually("the map to be read again", async || others().await > of_others).await;
    assert_eq!(asked(0).await, of_it);
    liar.is_honest();
    eventually("a hit on the node that came back", async || outcome(&cache, &origin, keys[0][0]).await == Outcome::Hit)
        .await;
}

/// It once waited for its deadline.
#[test]
fn who_waits_for_the_map_hears_when_the_runtime_that_reads_it_is_gone() {
    let [reading, waiting] = [(); 2].map(|()| Builder::new_current_thread().enable_all().build().expect("a runtime"));
    let cluster = waiting.block_on(RedisCluster::start_with(1, &[]));
    let (cache, origin) = (built(on(&cluster).deadline(2 * PATIENCE)), Origin::default());
    cluster.nodes[0].pause();
    reading.block_on(begins(pin!(outcome(&cache, &origin, 1))));
    waiting.block_on(async {
        let mut call = pin!(outcome(&cache, &origin, 2));
        begins(call.as_mut()).await;
        reading.shutdown_background();
        assert_eq!(within("the end of the call", call).await, Outcome::Degraded);
    });
}

/// Polls a call once, which is not done then.
async fn begins<T>(mut call: Pin<&mut impl Future<Output = T>>) {
    assert!(poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await, "it waits");
}

/// A runtime on one thread does nothing between two calls of `block_on`, and what reads the map there neither.
#[test]
fn a_runtime_that_stands_still_does_not_keep_others_from_reading_the_map() {
    let moving = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let still = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut cluster = moving.block_on(RedisCluster::with_replicas(3));
    let (cache, origin) = (built(on(&cluster)), Origin::default());
    let keys = moving.block_on(keys(&cluster));
    assert_eq!(still.block_on(outcome(&cache, &origin, keys[0][0])), Outcome::Miss);
    moving.block_on(async {
        for id in keys.concat() {
            outcome(&cache, &origin, id).await;
        }
        cluster.nodes[0].kill();
        eventually("a hit on the replica that took over", async || {
            outcome(&cache, &origin, keys[0][1]).await == Outcome::Hit
        })
        .await;
    });
}

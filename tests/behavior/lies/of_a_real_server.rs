//! What a real server says on cue.

use cache_runtime::{Cache, State};
use redis::aio::MultiplexedConnection;
use support::{Events, Origin, RedisServer, within};
use tracing::Level;

use super::{answers_in_spite_of, cache_at, is_served_again, is_told_of, word};

async fn run(client: &mut MultiplexedConnection, command: &str) -> redis::Value {
    let mut words = command.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap_or_default());
    cmd.arg(words.collect::<Vec<_>>());
    cmd.query_async(client).await.unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// Makes a server lie by some commands and honest again by others, and calls the function each time.
async fn survives(lies: &[&str], says: &str, honest: &[&str]) {
    let server = RedisServer::start().await;
    let (cache, mut client) = (cache_at(&server.url()), server.client().await);
    for command in lies {
        run(&mut client, command).await;
    }
    is_told_of(&cache, says).await;
    for command in honest {
        run(&mut client, command).await;
    }
    is_served_again(&cache, says).await;
}

/// Calls until the cache has given up a server that is there and says that it cannot serve.
async fn counts_as_away(cache: &Cache, says: &str) {
    for _ in 0..5 {
        if cache.health().state() != State::Down {
            answers_in_spite_of(cache, says).await;
        }
    }
    let health = cache.health();
    assert!(
        health.state() == State::Down && health.why().is_some_and(|why| why.to_uppercase().contains(says)),
        "{health}"
    );
}

#[tokio::test]
async fn another_type_at_the_key() {
    for put in ["RPUSH word:7 x", "HSET word:7 f x", "SADD word:7 x", "ZADD word:7 1 x", "XADD word:7 * f x"] {
        survives(&[put], put, &["DEL word:7"]).await;
    }
}

#[tokio::test]
async fn a_server_out_of_memory() {
    let full = ["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"];
    survives(&full, "OOM", &["CONFIG SET maxmemory 0"]).await;
}

#[tokio::test]
async fn a_primary_that_became_a_replica() {
    survives(&["REPLICAOF 127.0.0.1 1"], "READONLY", &["REPLICAOF NO ONE"]).await;
}

#[tokio::test]
async fn a_replica_that_lost_its_primary() {
    let lost = ["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"];
    survives(&lost, "MASTERDOWN", &["REPLICAOF NO ONE"]).await;
}

#[tokio::test]
async fn a_replica_that_lost_its_primary_counts_as_away() {
    let server = RedisServer::start().await;
    let (cache, mut client) = (cache_at(&server.url()), server.client().await);
    run(&mut client, "CONFIG SET replica-serve-stale-data no").await;
    run(&mut client, "REPLICAOF 127.0.0.1 1").await;
    counts_as_away(&cache, "MASTERDOWN").await;
    run(&mut client, "REPLICAOF NO ONE").await;
    is_served_again(&cache, "MASTERDOWN").await;
}

/// Its keys are so long that it looks up after each, and so many that it is not done before it is told to hurry.
#[tokio::test]
async fn a_server_that_loads_its_data_counts_as_away() {
    let slowly = ["--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"];
    let slowly = [&slowly[..], &["--rdbcompression", "no"]].concat();
    let mut server = RedisServer::start_with(&slowly).await;
    let cache = cache_at(&server.url());
    is_served_again(&cache, "nothing yet").await;
    let fill = "for key = 1, 5000 do redis.call('SET', key, string.rep('x', 1100)) end";
    let mut client = server.client().await;
    redis::cmd("EVAL").arg(fill).arg(0).exec_async(&mut client).await.expect("the server is up");
    run(&mut client, "SAVE").await;
    server.kill();
    server.restart_loading().await;

    let anew = cache_at(&server.url());
    is_told_of(&anew, "LOADING").await;
    counts_as_away(&cache, "LOADING").await;
    run(&mut server.client().await, "CONFIG SET key-load-delay 0").await;
    for cache in [&cache, &anew] {
        is_served_again(cache, "LOADING").await;
    }
}

#[tokio::test]
async fn a_user_that_may_not_read() {
    survives(&["ACL SETUSER default -get"], "NOPERM", &["ACL SETUSER default +get"]).await;
}

#[tokio::test]
async fn a_user_that_may_run_no_script() {
    survives(&["ACL SETUSER default -@scripting"], "NOPERM", &["ACL SETUSER default +@scripting"]).await;
}

#[tokio::test]
async fn a_user_that_may_not_touch_the_key() {
    survives(&["ACL SETUSER default resetkeys ~other:*"], "NOPERM", &["ACL SETUSER default allkeys"]).await;
}

#[tokio::test]
async fn too_few_replicas_to_write() {
    survives(&["CONFIG SET min-replicas-to-write 1"], "NOREPLICAS", &["CONFIG SET min-replicas-to-write 0"]).await;
}

#[tokio::test]
async fn a_password_that_was_changed() {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    run(&mut client, "ACL SETUSER ada on >right ~* +@all").await;
    let cache = cache_at(&format!("redis://ada:wrong@127.0.0.1:{}/", server.port()));
    is_told_of(&cache, "WRONGPASS").await;
    run(&mut client, "ACL SETUSER ada >wrong").await;
    is_served_again(&cache, "WRONGPASS").await;
}

#[tokio::test]
async fn a_node_of_a_cluster_without_slots() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]).await;
    let cache = cache_at(&server.url());
    is_told_of(&cache, "CLUSTERDOWN").await;
    let mut client = server.client().await;
    counts_as_away(&cache, "CLUSTERDOWN").await;
    run(&mut client, "CLUSTER ADDSLOTSRANGE 0 16383").await;
    is_served_again(&cache, "CLUSTERDOWN").await;
}

#[tokio::test]
async fn a_node_of_a_cluster_that_lacks_the_keys_slot() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"]).await;
    let mut client = server.client().await;
    let slot = all_slots_but_that_of_the_key(&mut client).await;
    is_in_order(&mut client).await;
    let cache = cache_at(&server.url());
    is_told_of(&cache, "CLUSTERDOWN").await;
    run(&mut client, &format!("CLUSTER ADDSLOTS {slot}")).await;
    is_served_again(&cache, "CLUSTERDOWN").await;
}

#[tokio::test]
async fn a_node_of_a_cluster_whose_neighbour_has_the_key() {
    let node = || RedisServer::start_with(&["--cluster-enabled", "yes"]);
    let (server, neighbour) = (node().await, node().await);
    let (mut client, mut beside) = (server.client().await, neighbour.client().await);
    let slot = all_slots_but_that_of_the_key(&mut client).await;
    run(&mut beside, &format!("CLUSTER ADDSLOTS {slot}")).await;
    run(&mut client, &format!("CLUSTER MEET 127.0.0.1 {}", neighbour.port())).await;
    for client in [&mut client, &mut beside] {
        is_in_order(client).await;
    }
    let cache = cache_at(&server.url());
    is_told_of(&cache, "MOVED").await;

    let name: String = redis::cmd("CLUSTER").arg("MYID").query_async(&mut client).await.expect("the server is up");
    for client in [&mut beside, &mut client] {
        run(client, &format!("CLUSTER SETSLOT {slot} NODE {name}")).await;
    }
    is_served_again(&cache, "MOVED").await;
}

/// Gives a node all slots but the one that the key is in; which that is.
async fn all_slots_but_that_of_the_key(client: &mut MultiplexedConnection) -> u16 {
    let slot = redis::cmd("CLUSTER").arg("KEYSLOT").arg("word:7").query_async(client).await;
    let slot: u16 = slot.expect("the server is up");
    run(client, &format!("CLUSTER ADDSLOTSRANGE 0 {} {} 16383", slot - 1, slot + 1)).await;
    slot
}

/// Waits until a node takes its cluster for one that works.
async fn is_in_order(client: &mut MultiplexedConnection) {
    let in_order = async {
        loop {
            let info = redis::cmd("CLUSTER").arg("INFO").query_async::<String>(client).await;
            if info.expect("the server is up").contains("cluster_state:ok") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    within("a cluster in order", in_order).await;
}

#[tokio::test]
async fn a_server_busy_with_a_script() {
    let server = RedisServer::start_with(&["--busy-reply-threshold", "1"]).await;
    let (cache, mut client, mut busy) = (cache_at(&server.url()), server.client().await, server.client().await);
    is_served_again(&cache, "nothing yet").await;
    let script = tokio::spawn(async move {
        let spin = redis::cmd("EVAL").arg("while true do end").arg(0).query_async::<()>(&mut busy).await;
        spin.expect_err("it is killed");
    });
    let is_busy = async {
        while redis::cmd("PING").query_async::<String>(&mut client).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within("the script to run", is_busy).await;
    is_told_of(&cache, "BUSY").await;
    run(&mut client, "SCRIPT KILL").await;
    script.await.expect("no panic");
    is_served_again(&cache, "BUSY").await;
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_told_them_again() {
    let server = RedisServer::start().await;
    let (cache, mut client) = (cache_at(&server.url()), server.client().await);
    let (events, origin) = (Events::capture(), Origin::held());
    let (answer, ()) = tokio::join!(word(&cache, &origin, 7), async {
        origin.has_begun(1).await;
        run(&mut client, "SCRIPT FLUSH").await;
        origin.let_go();
    });
    assert_eq!(answer, "word 7, run 1");
    assert_eq!(word(&cache, &origin, 7).await, "word 7, run 1", "it was stored all the same");
    assert_eq!(events.at_least(Level::WARN), []);
}

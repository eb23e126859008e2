//! What a real server says on cue.

use redis::aio::MultiplexedConnection;
use support::{Events, Origin, RedisServer, within};
use tracing::Level;

use super::{cache_at, is_served_again, is_told_of, word};

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
    run(&mut client, "CLUSTER ADDSLOTSRANGE 0 16383").await;
    is_served_again(&cache, "CLUSTERDOWN").await;
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

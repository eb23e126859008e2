//! The test support itself: a test that counts wrongly proves nothing.

use std::collections::BTreeMap;

use support::{Events, RedisServer, Worker, within};
use tracing::Level;

#[tokio::test]
async fn a_server_counts_commands_and_scripts() {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    let before = server.commands().await;
    let mut traffic = server.traffic().await;

    let script = "redis.call('SET', KEYS[1], '1') return redis.call('GET', KEYS[1])";
    let _: String =
        redis::cmd("EVAL").arg(script).arg(1).arg("a key").query_async(&mut client).await.expect("a script runs");

    let expected = BTreeMap::from([("eval", 1), ("get", 1), ("monitor", 1), ("set", 1)]);
    let calls = server.commands().await.since(&before);
    assert_eq!(calls, expected.into_iter().map(|(name, calls)| (name.to_owned(), calls)).collect());
    assert_eq!(traffic.sent().await, ["eval"]);
    assert_eq!(traffic.sent().await, [""; 0]);
}

#[tokio::test]
async fn a_paused_server_keeps_its_connections_and_answers_once_resumed() {
    let server = RedisServer::start().await;
    let mut client = server.client().await;
    server.pause();

    let ping = redis::cmd("PING");
    let answer = ping.query_async::<String>(&mut client);
    tokio::pin!(answer);
    let answered = tokio::time::timeout(std::time::Duration::from_millis(50), &mut answer).await;
    assert!(answered.is_err(), "a stopped process answered");

    server.resume();
    assert_eq!(within("the late answer", answer).await.as_deref(), Ok("PONG"));
}

#[tokio::test]
async fn a_killed_server_refuses_connections_and_comes_back_on_its_port_empty() {
    let mut server = RedisServer::start().await;
    let _: () =
        redis::cmd("SET").arg("k").arg("v").query_async(&mut server.client().await).await.expect("the server is up");
    let port = server.port();

    server.kill();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());

    server.restart().await;
    assert_eq!(server.port(), port);
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut server.client().await).await.expect("the server is up");
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_server_with_a_password_has_it_in_its_url() {
    let server = RedisServer::start_with(&["--requirepass", "secret"]).await;
    assert_eq!(server.url(), format!("redis://:secret@127.0.0.1:{}/", server.port()));
}

#[tokio::test]
async fn a_worker_is_told_and_heard() {
    let mut worker = Worker::start(env!("CARGO_BIN_EXE_worker"), "echo", None).await;
    worker.tell("go").await;
    worker.tell("over to you").await;
    assert_eq!(worker.hear().await, "over to you");
}

#[test]
fn events_are_captured_with_their_fields() {
    let events = Events::capture();
    tracing::warn!(key = "user:7", error = %"gone", "read failed");
    tracing::debug!("hit");

    let warnings = events.at_least(Level::WARN);
    assert_eq!(warnings.len(), 1);
    assert_eq!((warnings[0].message.as_str(), warnings[0].field("key")), ("read failed", Some("user:7")));
    assert_eq!(warnings[0].field("error"), Some("gone"));
    assert_eq!(events.all().len(), 2);
}

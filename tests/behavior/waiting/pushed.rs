//! Woken by pushes: by whatever happens to the key or to the connection, for two commands more than a look.

use std::collections::BTreeMap;

use cache_runtime::{Cache, Outcome};
use futures_util::future::join_all;
use support::{Origin, RedisServer, built, cache_on};

use super::{REGISTRATION, Scene, a_while, awaited};

#[tokio::test]
async fn a_commit_wakes_who_waits_for_one_registration_and_one_look() {
    let scene = Scene::new().await;
    let played = scene.play(&cache_on(&scene.server), false, a_while).await;
    played.is_one_run();
    assert_eq!(played.sent, ["get", REGISTRATION, "get", "evalsha", "get"]);
}

#[tokio::test]
async fn a_release_wakes_who_waits_and_it_takes_over() {
    let scene = Scene::new().await;
    let played = scene.play(&cache_on(&scene.server), true, a_while).await;
    assert_eq!((played.led, played.waited, played.outcome), (Err(1), Ok(2), Outcome::Stolen));
    assert_eq!(played.sent, ["get", REGISTRATION, "get", "evalsha", "get", "evalsha", "evalsha"]);
}

/// What any tool may do to a key that is waited for: the waiter runs the body, while the overtaken run still runs.
async fn wakes_who_waits(words: &[&str]) {
    let scene = Scene::new().await;
    let played = scene
        .play(&cache_on(&scene.server), false, async |traffic| {
            a_while(traffic).await;
            scene.command(words).await;
            scene.origin.has_begun(2).await;
        })
        .await;
    assert_eq!((played.led, played.waited, played.outcome), (Ok(1), Ok(2), Outcome::Stolen));
    let tool = words[0].to_lowercase();
    assert_eq!(played.sent[..6], ["get", REGISTRATION, "get", &tool, "get", "evalsha"], "{:?}", played.sent);
}

#[tokio::test]
async fn a_plain_del_wakes_who_waits() {
    wakes_who_waits(&["DEL", "awaited"]).await;
}

#[tokio::test]
async fn a_flush_wakes_who_waits() {
    wakes_who_waits(&["FLUSHALL"]).await;
}

#[tokio::test]
async fn who_loses_its_connection_registers_on_the_next_one_and_is_woken() {
    let scene = Scene::new().await;
    let played = scene
        .play(&cache_on(&scene.server), false, async |traffic| {
            let mut client = scene.server.client().await;
            let list: String =
                redis::cmd("CLIENT").arg("LIST").query_async(&mut client).await.expect("the server is up");
            let mut killed = 0;
            for line in list.lines() {
                let field = |name| line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap_or_default();
                if field("flags=").contains('t') {
                    scene.command(&["CLIENT", "KILL", "ID", field("id=")]).await;
                    killed += 1;
                }
            }
            assert_eq!(killed, 2, "both sides' connections track: {list}");
            traffic.until(REGISTRATION, 2).await;
            traffic.until("get", 4).await;
        })
        .await;
    played.is_one_run();
    assert_eq!(played.sent, ["get", REGISTRATION, "get", "get", REGISTRATION, "get", "evalsha", "get"]);
}

#[tokio::test]
async fn ten_callers_of_a_process_register_once() {
    let scene = Scene::new().await;
    let theirs = cache_on(&scene.server);
    let (led, (waited, before, after)) = tokio::join!(awaited(&scene.ours, &scene.origin, false), async {
        scene.origin.has_begun(1).await;
        let mut traffic = scene.server.traffic().await;
        let before = scene.server.commands().await;
        let (waited, ()) = tokio::join!(join_all((0..10).map(|_| awaited(&theirs, &scene.origin, false))), async {
            traffic.until("get", 11).await;
            scene.origin.let_go();
        });
        (waited, before, scene.server.commands().await)
    });
    assert_eq!((led, waited), (Ok(1), vec![Ok(1); 10]));
    let expected = [(REGISTRATION, 1), ("evalsha", 1), ("get", 12), ("getrange", 1), ("set", 1)];
    let expected = expected.into_iter().map(|(name, calls)| (name.to_owned(), calls));
    assert_eq!(after.since(&before), expected.collect::<BTreeMap<_, _>>());
}

/// A figure of `INFO`.
async fn figure(server: &RedisServer, name: &str) -> u64 {
    let info: String = redis::cmd("INFO").arg("all").query_async(&mut server.client().await).await.expect("it is up");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|figure| figure.trim().parse().ok()).unwrap_or_else(|| panic!("{name} in {info}"))
}

#[tokio::test]
async fn nothing_is_tracked_but_what_is_waited_for_and_nothing_stays_tracked() {
    let scene = Scene::new().await;
    let theirs = cache_on(&scene.server);
    let played = scene
        .play(&theirs, false, async |_| {
            assert_eq!(figure(&scene.server, "tracking_clients").await, 2);
            assert_eq!(figure(&scene.server, "tracking_total_keys").await, 1);
        })
        .await;
    played.is_one_run();
    assert_eq!(awaited(&theirs, &scene.origin, false).await, Ok(1), "a hit");
    assert_eq!(figure(&scene.server, "tracking_total_keys").await, 0);
}

#[tokio::test]
async fn a_connection_turns_tracking_on_once_and_calls_send_nothing_of_it() {
    let server = RedisServer::start().await;
    let cache = cache_on(&server);
    let mut traffic = server.traffic().await;
    for _ in 0..3 {
        assert_eq!(awaited(&cache, &Origin::default(), false).await, Ok(1));
    }
    assert_eq!(figure(&server, "tracking_clients").await, 1);
    let info: String =
        redis::cmd("INFO").arg("commandstats").query_async(&mut server.client().await).await.expect("the server is up");
    assert!(info.contains("cmdstat_client|tracking:calls=1,"), "{info}");
    assert!(!traffic.sent().await.contains(&REGISTRATION.to_owned()));
}

#[tokio::test]
async fn passwords_users_and_given_clients_are_pushed_to_as_well() {
    let scene = Scene::on(RedisServer::start_with(&["--requirepass", "secret"]).await).await;
    let client = redis::Client::open(scene.server.url()).expect("the server's URL is well formed");
    let played = scene.play(&built(Cache::builder().redis_client(client)), false, a_while).await;
    played.is_one_run();
    assert_eq!(played.registrations(), 1);

    let scene = Scene::new().await;
    scene.command(&["ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all"]).await;
    let url = scene.server.url().replace("redis://", "redis://ada:secret@");
    let played = scene.play(&built(Cache::builder().redis_url(url)), false, a_while).await;
    played.is_one_run();
    assert_eq!(played.registrations(), 1);
}

//! Without pushes, with pushes that get lost, and with too many: who waits comes to its end all the same.

use cache_runtime::{Cache, Outcome, redis_cached, report};
use redis::aio::MultiplexedConnection;
use support::{Events, Origin, Proxy, RedisServer, built, cache_on};
use tracing::Level;

use super::{REGISTRATION, Scene, a_while, awaited};

/// Their side has no pushes: it polls, and one event says why.
async fn polls(scene: &Scene, theirs: Cache, because: Option<&str>) {
    let events = Events::capture();
    let played = scene.play(&theirs, false, async |traffic| traffic.until("get", 4).await).await;
    played.is_one_run();
    let told = events.all().into_iter().filter(|event| event.message.contains("does not push")).collect::<Vec<_>>();
    assert_eq!(told.iter().map(|event| event.field("why")).collect::<Vec<_>>(), Vec::from_iter(because.map(Some)));
    assert!(told.iter().all(|event| event.level == Level::DEBUG));
    assert!(events.at_least(Level::WARN).is_empty(), "{:?}", events.all());
    assert!(!format!("{:?}", events.all()).contains("secret"));
}

#[tokio::test]
async fn who_may_not_track_polls() {
    let scene = Scene::new().await;
    scene.command(&["ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all", "-client|tracking"]).await;
    let url = scene.server.url().replace("redis://", "redis://ada:secret@");
    polls(&scene, built(Cache::builder().redis_url(url)), Some("CLIENT TRACKING is refused")).await;
}

#[tokio::test]
async fn who_may_not_register_polls() {
    let scene = Scene::new().await;
    scene.command(&["ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all", "-client|caching"]).await;
    let url = scene.server.url().replace("redis://", "redis://ada:secret@");
    polls(&scene, built(Cache::builder().redis_url(url)), Some("CLIENT CACHING is refused")).await;
}

#[tokio::test]
async fn behind_a_proxy_without_resp3_who_waits_polls() {
    let scene = Scene::new().await;
    let proxy = Proxy::without_resp3(&scene.server).await;
    polls(&scene, built(Cache::builder().redis_url(proxy.url())), Some("RESP3 is refused")).await;
}

#[tokio::test]
async fn over_a_connection_of_the_user_who_waits_polls() {
    let scene = Scene::new().await;
    let theirs: MultiplexedConnection = scene.server.client().await;
    polls(&scene, built(Cache::builder().redis_connection(theirs)), None).await;
}

#[tokio::test]
async fn who_misses_its_push_looks_all_the_same() {
    let scene = Scene::new().await;
    let proxy = Proxy::that_loses_pushes(&scene.server).await;
    let played = scene.play(&built(Cache::builder().redis_url(proxy.url())), false, a_while).await;
    played.is_one_run();
    assert_eq!(played.sent, ["get", REGISTRATION, "get", "evalsha", REGISTRATION, "get"]);
}

#[tokio::test]
async fn pushes_without_end_make_nobody_look_without_end() {
    const PUSHES: usize = 200;

    let scene = Scene::new().await;
    let played = scene
        .play(&cache_on(&scene.server), false, async |_| {
            let mut client = scene.server.client().await;
            for _ in 0..PUSHES {
                let touch = redis::cmd("PEXPIRE").arg("awaited").arg(300_000).to_owned();
                touch.query_async::<()>(&mut client).await.expect("the server is up");
            }
        })
        .await;
    played.is_one_run();
    // Without a pause between two registrations, about every second push found one.
    assert!((2..PUSHES / 4).contains(&played.registrations()), "{} registrations", played.registrations());
}

#[redis_cached(key = "renewed", ttl = 600, lock(lease = "100ms"), cache = cache, skip(cache, origin))]
async fn renewed(cache: &Cache, origin: &Origin) -> u64 {
    origin.run().await
}

#[tokio::test]
async fn a_renewal_moves_the_deadline_that_who_waits_looks_at() {
    let server = RedisServer::start().await;
    let (cache, origin, mut client) = (cache_on(&server), Origin::held(), server.client().await);
    let deadline = async || {
        let entry: Vec<u8> = redis::cmd("GET").arg("renewed").query_async(&mut client).await.expect("the server is up");
        entry[12..17].to_vec()
    };
    let (_, (taken, kept)) = tokio::join!(renewed(&cache, &origin), async {
        let (mut traffic, mut deadline) = (server.traffic().await, deadline);
        origin.has_begun(1).await;
        let taken = deadline().await;
        traffic.until("evalsha", 4).await;
        let kept = deadline().await;
        origin.let_go();
        (taken, kept)
    });
    assert!(kept > taken, "{taken:?} {kept:?}");
}

#[tokio::test]
async fn who_waits_on_a_server_that_hangs_or_dies_runs_the_body() {
    for dies in [false, true] {
        let mut scene = Scene::new().await;
        let theirs = cache_on(&scene.server);
        let (origin, ours) = (&scene.origin, &scene.ours);
        let server = &mut scene.server;
        let (_, waited) = tokio::join!(awaited(ours, origin, false), async {
            origin.has_begun(1).await;
            let mut traffic = server.traffic().await;
            let ((waited, reported), ()) = tokio::join!(report(awaited(&theirs, origin, false)), async {
                traffic.until("get", 2).await;
                if dies {
                    server.kill();
                } else {
                    server.pause();
                }
                origin.has_begun(2).await;
                origin.let_go();
            });
            (waited, reported.calls()[0].outcome())
        });
        assert_eq!(waited, (Ok(2), Outcome::Degraded));
    }
}

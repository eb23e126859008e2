//! How a caller learns that another process is done: by a push where the server tracks, by looking where it does not. What
//! is counted is what the server was asked; a wait that misses its push shows as one registration too many, not as late.

use std::collections::BTreeMap;

use cache_runtime::{Cache, Outcome, redis_cached, report};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use support::{Events, Origin, Proxy, RedisServer, Traffic, built, cache_on};
use tracing::Level;

/// What a waiter sends to be woken.
const REGISTRATION: &str = "client|caching";

#[allow(
    deprecated,
    reason = "a run that fails and one that does not share the key, so that one can wait for the other"
)]
// The limit is above what a test waits for anything, and the lease is not renewed while a test runs.
#[redis_cached(
    key = "awaited", ttl = 600, lock(wait = "60s", lease = "300s"), cache = cache, skip(cache, origin, fails)
)]
async fn awaited(cache: &Cache, origin: &Origin, fails: bool) -> Result<u64, u64> {
    let run = origin.run().await;
    if fails { Err(run) } else { Ok(run) }
}

/// A run of ours that they wait for.
struct Scene {
    server: RedisServer,
    ours: Cache,
    origin: Origin,
}

impl Scene {
    async fn on(server: RedisServer) -> Self {
        let ours = cache_on(&server);
        // The connection and the scripts are there.
        let origin = Origin::default();
        assert_eq!(awaited(&ours, &origin, true).await, Err(1));
        assert_eq!(awaited(&ours, &origin, false).await, Ok(2));
        awaited_entry(&ours).invalidate().await.expect("the server is up");
        Self { server, ours, origin: Origin::held() }
    }

    async fn new() -> Self {
        Self::on(RedisServer::start().await).await
    }

    /// Runs the body on our side; while it runs, `theirs` waits until `then` has played. Returns both sides' results,
    /// and what the server was asked from the wait on.
    async fn play(&self, theirs: &Cache, fails: bool, then: impl AsyncFnOnce(&mut Traffic)) -> Played {
        let (led, (waited, reported, sent)) = tokio::join!(awaited(&self.ours, &self.origin, fails), async {
            self.origin.has_begun(1).await;
            // The connection of who waits is there.
            awaited_entry(theirs).get().await.expect("the server is up");
            let (mut traffic, mut all) = (self.server.traffic().await, self.server.traffic().await);
            let ((waited, reported), ()) = tokio::join!(report(awaited(theirs, &self.origin, false)), async {
                traffic.until("get", 2).await;
                then(&mut traffic).await;
                self.origin.let_go();
            });
            (waited, reported.calls()[0].outcome(), all.sent().await)
        });
        Played { led, waited, outcome: reported, sent }
    }

    async fn command(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async::<()>(&mut self.server.client().await).await.expect("the server is up");
    }
}

#[derive(Debug)]
struct Played {
    led: Result<u64, u64>,
    waited: Result<u64, u64>,
    outcome: Outcome,
    sent: Vec<String>,
}

impl Played {
    /// The body ran once, and the other side waited for its value.
    #[track_caller]
    fn is_one_run(&self) {
        assert_eq!((self.led, self.waited, self.outcome), (Ok(1), Ok(1), Outcome::Waited), "{self:?}");
    }

    fn registrations(&self) -> usize {
        self.sent.iter().filter(|name| *name == REGISTRATION).count()
    }
}

async fn nothing(_: &mut Traffic) {}

#[tokio::test]
async fn a_commit_wakes_who_waits_for_one_registration_and_one_look() {
    let scene = Scene::new().await;
    let played = scene.play(&cache_on(&scene.server), false, nothing).await;
    played.is_one_run();
    assert_eq!(played.sent, ["get", REGISTRATION, "get", "evalsha", "get"]);
}

#[tokio::test]
async fn a_release_wakes_who_waits_and_it_takes_over() {
    let scene = Scene::new().await;
    let played = scene.play(&cache_on(&scene.server), true, nothing).await;
    assert_eq!((played.led, played.waited, played.outcome), (Err(1), Ok(2), Outcome::Miss));
    assert_eq!(played.sent, ["get", REGISTRATION, "get", "evalsha", "get", "evalsha", "evalsha"]);
}

/// What any tool may do to a key that is waited for: the waiter runs the body, while the overtaken run still runs.
async fn wakes_who_waits(words: &[&str]) {
    let scene = Scene::new().await;
    let played = scene
        .play(&cache_on(&scene.server), false, async |_| {
            scene.command(words).await;
            scene.origin.has_begun(2).await;
        })
        .await;
    assert_eq!((played.led, played.waited, played.outcome), (Ok(1), Ok(2), Outcome::Miss));
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
    let played = scene.play(&built(Cache::builder().redis_client(client)), false, nothing).await;
    played.is_one_run();
    assert_eq!(played.registrations(), 1);

    let scene = Scene::new().await;
    scene.command(&["ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all"]).await;
    let url = scene.server.url().replace("redis://", "redis://ada:secret@");
    let played = scene.play(&built(Cache::builder().redis_url(url)), false, nothing).await;
    played.is_one_run();
    assert_eq!(played.registrations(), 1);
}

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
    let played = scene.play(&built(Cache::builder().redis_url(proxy.url())), false, nothing).await;
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
                    server.kill()
                } else {
                    server.pause()
                }
                origin.has_begun(2).await;
                origin.let_go();
            });
            (waited, reported.calls()[0].outcome())
        });
        assert_eq!(waited, (Ok(2), Outcome::Degraded));
    }
}

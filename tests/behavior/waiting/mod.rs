//! How a caller learns that another process is done: by a push where the server tracks, by looking where it does not. What
//! is counted is what the server was asked; a wait that misses its push shows as one registration too many, not as late.

mod polling;
mod pushed;

use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached, report};
use support::{Origin, RedisServer, Traffic, cache_on};

/// What a waiter sends to be woken.
const REGISTRATION: &str = "client|caching";

#[allow(
    unused_must_use,
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

/// Lets pass what makes one who polls look some times more.
async fn a_while(_: &mut Traffic) {
    tokio::time::sleep(Duration::from_millis(30)).await;
}

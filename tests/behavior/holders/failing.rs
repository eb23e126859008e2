//! The first caller's run comes to a bad end, while others of its process and of another one wait for it.

use std::sync::Arc;

use cache_runtime::{Cache, redis_cached};
use futures_util::future::join_all;
use support::{Origin, RedisServer, within};
use tokio::task::JoinHandle;

use super::patient_cache;

/// What a caller's run comes to, if it is the caller's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ends,
    Fails,
    Panics,
    Hangs,
}

/// The first caller's run, held; and those of the others.
#[derive(Default)]
struct Origins {
    first: Origin,
    others: Origin,
}

impl Origins {
    async fn run(&self, fate: Fate) -> Result<u64, u64> {
        match fate {
            Fate::Ends => Ok(100 + self.others.run().await),
            Fate::Fails => Err(self.first.run().await),
            Fate::Hangs => Ok(self.first.run().await),
            Fate::Panics => panic!("run {} panics, as this test wants", self.first.run().await),
        }
    }
}

// Nobody comes to its limit, and no lease to its end, while a test runs.
#[redis_cached(
    key = "held", ttl = 600, lock(wait = "60s", lease = "60s"), cache = cache, skip(cache, origins, fate)
)]
async fn held(cache: &Cache, origins: &Origins, fate: Fate) -> Result<u64, u64> {
    origins.run(fate).await
}

#[redis_cached(
    key = "impatient", ttl = 600, lock(wait = "100ms", lease = "60s"), cache = cache, skip(cache, origins, fate)
)]
async fn impatient(cache: &Cache, origins: &Origins, fate: Fate) -> Result<u64, u64> {
    origins.run(fate).await
}

#[redis_cached(
    key = "kept", ttl = 600, lock(wait = "60s", lease = "100ms"), cache = cache, skip(cache, origins, fate)
)]
async fn kept(cache: &Cache, origins: &Origins, fate: Fate) -> Result<u64, u64> {
    origins.run(fate).await
}

type Caller = JoinHandle<Result<u64, u64>>;

/// Callers of each side that wait for the first one.
const WAITERS: usize = 5;

struct Scene {
    server: RedisServer,
    ours: Cache,
    theirs: Cache,
    origins: Arc<Origins>,
}

/// Calls in a task of its own: a panic stays there.
macro_rules! call {
    ($function:ident, $cache:expr, $scene:expr, $fate:expr) => {{
        let (cache, origins): (Cache, _) = ($cache.clone(), Arc::clone(&$scene.origins));
        tokio::spawn(async move { $function(&cache, &origins, $fate).await })
    }};
}

impl Scene {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let (ours, theirs) = (patient_cache(&server), patient_cache(&server));
        let origins = Origins { first: Origin::held(), others: Origin::default() };
        Self { server, ours, theirs, origins: Arc::new(origins) }
    }

    /// The first caller, whose run has begun, and those who wait for it in its own process and in the other.
    async fn waited_for(&self, fate: Fate) -> (Caller, Vec<Caller>, Vec<Caller>) {
        let first = call!(held, self.ours, self, fate);
        self.origins.first.has_begun(1).await;
        let mut traffic = self.server.traffic().await;
        let waiters = |cache: &Cache| (0..WAITERS).map(|_| call!(held, cache, self, Fate::Ends)).collect();
        let (ours, theirs) = (waiters(&self.ours), waiters(&self.theirs));
        // Each looks; and of theirs one registers with another look.
        traffic.until("get", 2 * WAITERS + 1).await;
        (first, ours, theirs)
    }
}

/// What all of them got; nobody panicked.
async fn answers(callers: Vec<Caller>) -> Vec<Result<u64, u64>> {
    let answers = within("all callers", join_all(callers)).await;
    answers.into_iter().map(|answer| answer.expect("nobody's panic is another caller's")).collect()
}

#[tokio::test]
async fn an_error_is_for_the_callers_of_its_process_and_the_other_one_takes_over() {
    let scene = Scene::new().await;
    let (first, ours, theirs) = scene.waited_for(Fate::Fails).await;
    scene.origins.first.let_go();
    assert_eq!(answers(vec![first]).await, [Err(1)]);
    assert_eq!(answers(ours).await, [Err(1); WAITERS]);
    assert_eq!(answers(theirs).await, [Ok(101); WAITERS]);
}

#[tokio::test]
async fn a_panic_is_its_own_callers_and_nobody_elses() {
    let scene = Scene::new().await;
    let (first, ours, theirs) = scene.waited_for(Fate::Panics).await;
    scene.origins.first.let_go();
    assert!(within("the first caller", first).await.expect_err("its run panics").is_panic());
    assert!(answers(ours).await.iter().all(Result::is_ok));
    assert!(answers(theirs).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn when_a_server_drops_the_task_of_the_holder_the_others_are_one_run() {
    let scene = Scene::new().await;
    let (first, ours, theirs) = scene.waited_for(Fate::Hangs).await;
    first.abort();
    assert!(within("the first caller", first).await.expect_err("it is dropped").is_cancelled());
    assert_eq!(answers(ours).await, [Ok(101); WAITERS]);
    assert_eq!(answers(theirs).await, [Ok(101); WAITERS]);
}

#[tokio::test]
async fn who_waits_for_a_run_that_hangs_leaves_it_at_the_limit() {
    let scene = Scene::new().await;
    let first = call!(impatient, scene.ours, scene, Fate::Hangs);
    scene.origins.first.has_begun(1).await;
    let caches = [&scene.ours, &scene.theirs].into_iter().cycle().take(2 * WAITERS);
    let waiters = caches.map(|cache| call!(impatient, cache, scene, Fate::Ends)).collect();
    assert!(answers(waiters).await.iter().all(Result::is_ok));
    assert!(!first.is_finished(), "it still hangs");
    scene.origins.first.let_go();
    assert_eq!(answers(vec![first]).await, [Ok(1)]);
}

#[tokio::test]
async fn a_run_that_hangs_loses_its_lease_in_the_end_and_stores_nothing() {
    let scene = Scene::new().await;
    let first = call!(kept, scene.ours, scene, Fate::Hangs);
    scene.origins.first.has_begun(1).await;
    // It would wait for longer than a test does: only the end of the renewals lets it go.
    assert_eq!(answers(vec![call!(kept, scene.theirs, scene, Fate::Ends)]).await, [Ok(101)]);

    scene.origins.first.let_go();
    assert_eq!(answers(vec![first]).await, [Ok(1)], "the late holder has its own value");
    assert_ne!(kept_entry(&scene.theirs).get().await.expect("the server is up"), Some(1), "and stores nothing");
}

//! Strings at our keys that this library did not write: left alone, unless the cache is built to overwrite them.

use cache_runtime::{Cache, CacheBuilder, Error, ErrorKind, Outcome, redis_cached, refresh, report};
use support::{Event, Events, Origin, OwnStore, PATIENCE, RedisServer, built, within};
use tracing::Level;

use crate::pass_a_minute;

const KEY: &str = "session:7";

/// What other programs may have at the key: text, JSON, nothing, a value that the same codec wrote by hand, and bytes that
/// only look like an entry further on.
const FOREIGN: [&[u8]; 5] = [b"a text", br#"{"id":7}"#, b"", b"\x81\xA1x\x01", b"\x00\xCA\x02\x00\x00"];

#[redis_cached(key = "session:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn session(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    origin.run().await * 100 + id
}

/// A server, a cache on it, and the client of another program.
struct Shared {
    server: RedisServer,
    cache: Cache,
    client: redis::aio::MultiplexedConnection,
}

impl Shared {
    async fn start(configure: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Self {
        let server = RedisServer::start().await;
        let cache = built(configure(Cache::builder().redis_url(server.url()).deadline(PATIENCE)));
        let client = server.client().await;
        Self { server, cache, client }
    }

    async fn set(&mut self, bytes: &[u8]) {
        redis::cmd("SET").arg(KEY).arg(bytes).exec_async(&mut self.client).await.expect("the server is up");
    }

    async fn get(&mut self) -> Option<Vec<u8>> {
        redis::cmd("GET").arg(KEY).query_async(&mut self.client).await.expect("the server is up")
    }

    /// Milliseconds that the key has left; -1 without an expiry.
    async fn left(&mut self) -> i64 {
        redis::cmd("PTTL").arg(KEY).query_async(&mut self.client).await.expect("the server is up")
    }
}

fn of_foreign_strings(events: &Events) -> Vec<Event> {
    let warnings = events.at_least(Level::WARN);
    assert!(warnings.iter().all(|event| event.message.contains("overwrite_foreign(true)")), "{warnings:?}");
    warnings
}

#[tokio::test]
async fn a_read_leaves_it_alone_and_runs_the_function_without_the_cache() {
    let mut shared = Shared::start(|cache| cache).await;
    let origin = Origin::default();
    for bytes in FOREIGN {
        shared.set(bytes).await;
        let runs = origin.runs();
        let mut traffic = shared.server.traffic().await;
        let (value, reported) = report(session(&shared.cache, &origin, 7)).await;
        assert_eq!(value, (runs + 1) * 100 + 7);
        assert_eq!(traffic.sent().await, ["get"], "no lease is asked for that could displace {bytes:?}");
        let call = &reported.calls()[0];
        assert_eq!((call.outcome(), call.stored()), (Outcome::Bypassed, false));
        assert_eq!(shared.get().await.as_deref(), Some(bytes));
        assert_eq!(shared.left().await, -1, "{bytes:?} got an expiry");
    }
}

#[tokio::test]
async fn one_that_is_longer_than_any_entry_is_left_alone_too() {
    let mut shared = Shared::start(|cache| cache.max_entry_bytes(1 << 10)).await;
    let (long, events) = ([b'x'; 5_000], Events::capture());
    shared.set(&long).await;
    assert_eq!(session(&shared.cache, &Origin::default(), 7).await, 107);
    assert_eq!((shared.get().await.as_deref(), of_foreign_strings(&events).len()), (Some(&long[..]), 1));
}

#[tokio::test]
async fn callers_at_once_share_one_run() {
    let mut shared = Shared::start(|cache| cache).await;
    shared.set(b"a text").await;
    let origin = Origin::held();
    let callers = futures_util::future::join_all((0..50).map(|_| report(session(&shared.cache, &origin, 7))));
    let (answers, ()) = tokio::join!(within("all callers", callers), async {
        origin.has_begun(1).await;
        origin.let_go();
    });
    assert_eq!(origin.runs(), 1);
    assert!(answers.iter().all(|(value, _)| *value == 107));
    let outcomes = |outcome| answers.iter().filter(|(_, report)| report.calls()[0].outcome() == outcome).count();
    assert_eq!((outcomes(Outcome::Bypassed), outcomes(Outcome::Coalesced)), (1, 49));
    assert_eq!(shared.get().await.as_deref(), Some(&b"a text"[..]));
}

#[tokio::test]
async fn one_event_a_minute_says_how_to_allow_it_and_how_many_were_left_out() {
    let mut shared = Shared::start(|cache| cache).await;
    shared.set(b"a text").await;
    let (events, origin) = (Events::capture(), Origin::default());
    for _ in 0..10 {
        session(&shared.cache, &origin, 7).await;
    }
    let told = of_foreign_strings(&events);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].field("key"), told[0].field("suppressed")), (Some(KEY), Some("0")));
    assert_eq!(told[0].field("function"), Some("session"));
    assert!(!format!("{told:?}").contains("a text"), "{told:?}");

    pass_a_minute().await;
    session(&shared.cache, &origin, 7).await;
    let told = of_foreign_strings(&events);
    assert_eq!((told.len(), told[1].field("suppressed")), (2, Some("9")), "{told:?}");
}

#[tokio::test]
async fn a_refresh_that_was_asked_for_leaves_it_alone() {
    let mut shared = Shared::start(|cache| cache).await;
    let origin = Origin::default();
    for bytes in FOREIGN {
        shared.set(bytes).await;
        let runs = origin.runs();
        let (value, reported) = report(refresh(session(&shared.cache, &origin, 7))).await;
        assert_eq!(value, (runs + 1) * 100 + 7);
        let call = &reported.calls()[0];
        assert_eq!((call.outcome(), call.stored()), (Outcome::Bypassed, false));
        assert_eq!(shared.get().await.as_deref(), Some(bytes));
        assert_eq!(shared.left().await, -1, "{bytes:?} got an expiry");
    }
}

#[tokio::test]
async fn a_put_is_an_error_that_says_how_to_allow_it() {
    let mut shared = Shared::start(|cache| cache).await;
    for bytes in FOREIGN {
        shared.set(bytes).await;
        let error = session_entry(&shared.cache, 7).put(&1).await.expect_err("it would be overwritten");
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("overwrite_foreign(true)"), "{error}");
        assert_eq!(shared.get().await.as_deref(), Some(bytes));
        assert_eq!(shared.left().await, -1, "{bytes:?} got an expiry");
    }
}

#[tokio::test]
async fn an_entry_that_is_looked_at_is_none() {
    let mut shared = Shared::start(|cache| cache).await;
    let events = Events::capture();
    for bytes in FOREIGN {
        shared.set(bytes).await;
        assert_eq!(session_entry(&shared.cache, 7).get().await.expect("the server is up"), None, "of {bytes:?}");
    }
    assert_eq!(of_foreign_strings(&events).len(), 1);
}

#[tokio::test]
async fn an_invalidation_removes_it() {
    let mut shared = Shared::start(|cache| cache).await;
    let origin = Origin::default();
    for bytes in FOREIGN {
        shared.set(bytes).await;
        let entry = session_entry(&shared.cache, 7);
        entry.invalidate().await.expect("the server is up");
        assert_eq!(shared.get().await, None);
        let (_, reported) = report(session(&shared.cache, &origin, 7)).await;
        assert!(reported.calls()[0].stored(), "the key is ours again");
    }
}

#[redis_cached(key = "session:<id>", ttl = 600, fail_open = false, cache = cache, skip(cache, origin))]
async fn guarded(cache: &Cache, origin: &Origin, id: u64) -> Result<u64, Error> {
    Ok(origin.run().await * 100 + id)
}

#[tokio::test]
async fn a_function_that_does_not_do_without_the_cache_fails() {
    let mut shared = Shared::start(|cache| cache).await;
    shared.set(b"a text").await;
    let origin = Origin::default();
    for call in [true, false] {
        let answer = guarded(&shared.cache, &origin, 7);
        let answer = if call { answer.await } else { refresh(answer).await };
        assert_eq!(answer.expect_err("the cache cannot be used").kind(), ErrorKind::Rejected);
    }
    assert_eq!((origin.runs(), shared.get().await.as_deref()), (0, Some(&b"a text"[..])));
}

#[tokio::test]
async fn a_cache_for_a_migration_overwrites_it() {
    let mut shared = Shared::start(|cache| cache.overwrite_foreign(true)).await;
    let (events, origin) = (Events::capture(), Origin::default());
    for bytes in FOREIGN {
        shared.set(bytes).await;
        let runs = origin.runs();
        for _ in 0..2 {
            assert_eq!(session(&shared.cache, &origin, 7).await, (runs + 1) * 100 + 7, "of {bytes:?}");
        }

        shared.set(bytes).await;
        let (value, reported) = report(refresh(session(&shared.cache, &origin, 7))).await;
        assert_eq!((value, reported.calls()[0].stored()), ((runs + 2) * 100 + 7, true), "of {bytes:?}");

        shared.set(bytes).await;
        session_entry(&shared.cache, 7).put(&5).await.expect("it may be overwritten");
        assert_eq!(session(&shared.cache, &origin, 7).await, 5, "of {bytes:?}");
    }
    let told = events.at_least(Level::WARN);
    assert_eq!((told.len(), told[0].field("why")), (1, Some("not written by this library")), "{told:?}");
}

#[tokio::test]
async fn keys_of_other_types_are_left_alone_even_then() {
    let mut shared = Shared::start(|cache| cache.overwrite_foreign(true)).await;
    redis::cmd("RPUSH").arg(KEY).arg("x").exec_async(&mut shared.client).await.expect("the server is up");
    let origin = Origin::default();
    assert_eq!(session(&shared.cache, &origin, 7).await, 107);
    session_entry(&shared.cache, 7).put(&5).await.expect_err("it is a list");
    let length: u64 = redis::cmd("LLEN").arg(KEY).query_async(&mut shared.client).await.expect("it is a list");
    assert_eq!(length, 1);
}

#[tokio::test]
async fn one_that_comes_between_the_look_and_the_lease_is_left_alone() {
    for bytes in FOREIGN {
        let (store, origin) = (OwnStore::default(), Origin::default());
        let cache = built(Cache::builder().store(store.clone()));
        store.set_before_the_next_lease(bytes);
        let (value, reported) = report(session(&cache, &origin, 7)).await;
        let call = &reported.calls()[0];
        assert_eq!((value, call.outcome(), call.stored()), (107, Outcome::Bypassed, false));
        assert_eq!(store.found(KEY).as_deref(), Some(bytes));
    }
}

#[tokio::test]
async fn one_that_replaces_an_unusable_entry_between_the_look_and_the_lease_is_left_alone() {
    for bytes in FOREIGN {
        let (store, origin) = (OwnStore::default(), Origin::default());
        let cache = built(Cache::builder().store(store.clone()));
        store.set(KEY, &b"\xCA damaged"[..]);
        store.set_before_the_next_lease(bytes);
        assert_eq!(session(&cache, &origin, 7).await, 107);
        assert_eq!(store.found(KEY).as_deref(), Some(bytes));
    }
}

#[tokio::test]
async fn a_store_of_the_users_own_leaves_it_alone_and_overwrites_it_for_a_migration() {
    for bytes in FOREIGN {
        let (store, origin) = (OwnStore::default(), Origin::default());
        store.set(KEY, bytes);
        let cache = built(Cache::builder().store(store.clone()));
        assert_eq!(session(&cache, &origin, 7).await, 107);
        assert_eq!(refresh(session(&cache, &origin, 7)).await, 207);
        session_entry(&cache, 7).put(&5).await.expect_err("it would be overwritten");
        assert_eq!(store.found(KEY).as_deref(), Some(bytes));

        let migrating = built(Cache::builder().store(store).overwrite_foreign(true));
        assert_eq!(session(&migrating, &origin, 7).await, 307);
        assert_eq!(session(&cache, &origin, 7).await, 307, "it is an entry now");
    }
}

#[redis_cached(key = "session:<id>", ttl = 600, lock = true, cache = cache, skip(cache, origin))]
async fn locked(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    origin.run().await * 100 + id
}

#[tokio::test]
async fn one_that_replaces_a_lease_is_left_alone_by_its_holder_and_by_those_that_wait() {
    let mut shared = Shared::start(|cache| cache).await;
    let [ours, other] = [(); 2].map(|()| built(Cache::builder().redis_url(shared.server.url()).deadline(PATIENCE)));
    let (holder, follower) = (Origin::held(), Origin::default());
    let (held, waited, ()) = tokio::join!(
        report(locked(&ours, &holder, 7)),
        async {
            holder.has_begun(1).await;
            within("the one that waits", report(locked(&other, &follower, 7))).await
        },
        async {
            holder.has_begun(1).await;
            shared.set(b"a text").await;
            follower.has_begun(1).await;
            holder.let_go();
        }
    );
    for (value, reported) in [held, waited] {
        assert_eq!((value, reported.calls()[0].stored()), (107, false));
    }
    assert_eq!(shared.get().await.as_deref(), Some(&b"a text"[..]));
}

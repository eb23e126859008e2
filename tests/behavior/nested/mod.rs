//! Values that are nested too deep to be decoded: returned, not stored, and never an abort, whoever wrote the bytes.
//!
//! A stack that overflows aborts the process, and with it this binary: each test here needs a process of its own to be
//! seen failing, which `cargo nextest` gives it.

mod buffered;
mod claimed;

use std::future::Future;
use std::marker::PhantomData;

use cache_runtime::{
    Bincode, Cache, Codec, CodecId, Error, ErrorKind, Json, MessagePack, Postcard, redis_cached, report,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use support::{Events, Origin, PATIENCE, RedisServer, THREAD_STACK, Wide, built, on_a_small_stack};
use tracing::Level;

/// As deep as the value that once aborted every process that read it.
const DEEP: usize = 300;

/// As deep as bytes can be forged to be.
const FORGED: usize = 100_000;

/// A codec of the user's own, whose format has no bound that matters here.
struct Own;

impl Codec for Own {
    const ID: CodecId = CodecId::custom(200);

    fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut serializer = rmp_serde::Serializer::new(out);
        serializer.unstable_set_max_depth(usize::MAX);
        value.serialize(&mut serializer).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
        deserializer.set_max_depth(usize::MAX);
        T::deserialize(&mut deserializer).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }
}

/// Writes the bytes of a value that is nested as deep as bytes can be, in the place of any value.
struct Forging<C, const LEVELS: usize = FORGED>(PhantomData<C>);

impl<C: Codec, const LEVELS: usize> Codec for Forging<C, LEVELS> {
    const ID: CodecId = C::ID;

    fn encode<T: Serialize>(_: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let bytes = |levels| {
            let mut bytes = Vec::new();
            C::encode(&Wide::nested(levels), &mut bytes).map(|()| bytes)
        };
        let (inner, outer) = (bytes(0)?, bytes(1)?);
        let at =
            outer.windows(inner.len()).rposition(|part| part == inner).expect("the inner value is in the outer one");
        out.extend(outer[..at].repeat(LEVELS));
        out.extend(&inner);
        out.extend(outer[at + inner.len()..].repeat(LEVELS));
        Ok(())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
        C::decode(bytes)
    }
}

/// Runs a test on a small stack, with a server of its own.
fn with_a_server<F: Future<Output = ()>>(test: impl FnOnce(RedisServer) -> F + Send) {
    on_a_small_stack(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async { test(RedisServer::start().await).await });
    });
}

/// A cache that takes entries as long as forged ones are.
fn cache(server: &RedisServer) -> Cache {
    built(Cache::builder().redis_url(server.url()).deadline(PATIENCE).max_entry_bytes(64 << 20))
}

/// The same, for entries that are stored compressed.
fn compressing(server: &RedisServer) -> Cache {
    let builder = Cache::builder().redis_url(server.url()).deadline(PATIENCE).max_entry_bytes(64 << 20);
    built(builder.compress_above(0))
}

async fn keys(server: &RedisServer) -> u64 {
    redis::cmd("DBSIZE").query_async(&mut server.client().await).await.expect("the server is up")
}

/// The one event, and what a field of it says.
fn told(events: &Events, message: &str, field: &str) -> String {
    let mut told = events.at_least(Level::WARN);
    // A debug build reads values back, and finds that a codec which forges does not do what it should.
    told.retain(|event| !event.message.contains("cannot be read back"));
    assert!(told.len() == 1 && told[0].message.contains(message), "{told:?}");
    told[0].field(field).expect("it says why").to_owned()
}

macro_rules! with_each_codec {
    ($($name:ident: $codec:ty;)*) => {$(
        mod $name {
            use super::*;

            type ThisForging = Forging<$codec>;

            #[redis_cached(key = "wide:<levels>", ttl = 600, codec = $codec, cache = cache, skip(cache, origin))]
            async fn wide(cache: &Cache, origin: &Origin, levels: usize) -> Wide {
                origin.run().await;
                Wide::nested(levels)
            }

            #[redis_cached(key = "wide:<levels>", ttl = 600, codec = ThisForging, lock(lease = "1m"), cache = cache, skip(cache))]
            async fn forged(cache: &Cache, levels: usize) -> Wide {
                Wide::nested(levels)
            }

            /// Puts forged bytes at the key, as another process might.
            async fn forge(server: &RedisServer, levels: usize) {
                forged(&cache(server), levels).await;
                assert_eq!(keys(server).await, 1, "the forged bytes are there");
            }

            #[test]
            fn a_value_nested_too_deep_is_returned_and_not_stored() {
                with_a_server(|server| async move {
                    let (cache, origin) = (cache(&server), Origin::default());
                    for run in 1..=2 {
                        let events = Events::capture();
                        let (value, calls) = report(wide(&cache, &origin, DEEP)).await;
                        assert_eq!((value.levels(), origin.runs()), (DEEP, run));
                        assert!(!calls.calls()[0].stored());
                        assert!(told(&events, "not stored", "error").contains("nested"));
                        assert_eq!(keys(&server).await, 0, "the lease is given back");
                    }
                });
            }

            #[test]
            fn a_value_nested_too_deep_is_returned_on_a_thread_of_tokio() {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .thread_stack_size(THREAD_STACK)
                    .enable_all()
                    .build()
                    .expect("a runtime starts");
                let call = runtime.spawn(async {
                    let server = RedisServer::start().await;
                    let (cache, origin) = (cache(&server), Origin::default());
                    forge(&server, 1).await;
                    let (forged, value) = (wide(&cache, &origin, 1).await, wide(&cache, &origin, DEEP).await);
                    assert_eq!((forged.levels(), value.levels(), origin.runs()), (1, DEEP, 2));
                });
                runtime.block_on(call).expect("it does not panic");
            }

            #[test]
            fn bytes_nested_too_deep_are_a_miss() {
                with_a_server(|server| async move {
                    forge(&server, 1).await;
                    let (cache, origin, events) = (cache(&server), Origin::default(), Events::capture());
                    for _ in 0..2 {
                        assert_eq!(wide(&cache, &origin, 1).await, Wide::nested(1));
                    }
                    assert_eq!(origin.runs(), 1, "the forged bytes are overwritten");
                    told(&events, "counts as a miss", "why");
                });
            }

            #[test]
            fn an_entry_nested_too_deep_can_be_neither_put_nor_got() {
                with_a_server(|server| async move {
                    let (cache, events) = (cache(&server), Events::capture());
                    let error = wide_entry(&cache, DEEP).put(&Wide::nested(DEEP)).await.expect_err("it is too deep");
                    assert!(error.kind() == ErrorKind::Codec && error.to_string().contains("nested"), "{error}");
                    assert_eq!(keys(&server).await, 0);
                    forge(&server, 1).await;
                    assert_eq!(wide_entry(&cache, 1).get().await.expect("the server is up"), None);
                    told(&events, "counts as a miss", "why");
                });
            }

            #[test]
            fn a_value_that_is_stored_can_be_read() {
                with_a_server(|server| async move {
                    let cache = cache(&server);
                    let mut levels = 0;
                    // Up to the first that is not stored.
                    loop {
                        let (_, calls) = report(wide(&cache, &Origin::default(), levels)).await;
                        if !calls.calls()[0].stored() {
                            break;
                        }
                        let origin = Origin::default();
                        assert_eq!(wide(&cache, &origin, levels).await.levels(), levels);
                        assert_eq!(origin.runs(), 0, "{levels} levels are stored and cannot be read");
                        levels += 1;
                    }
                    assert!(levels > 4, "only {levels} levels are stored");
                });
            }
        }
    )*};
}
with_each_codec! {
    message_pack: MessagePack;
    json: Json;
    bincode: Bincode;
    postcard: Postcard;
    own: Own;
}

#[redis_cached(key = "wide:<levels>", ttl = 600, cache = cache, skip(cache, origin))]
async fn wide(cache: &Cache, origin: &Origin, levels: usize) -> Wide {
    origin.run().await;
    Wide::nested(levels)
}

/// Few enough to be compressed in a moment.
type ForgingSome = Forging<MessagePack, 10_000>;

#[redis_cached(key = "wide:<levels>", ttl = 600, codec = ForgingSome, cache = cache, skip(cache))]
async fn forged(cache: &Cache, levels: usize) -> Wide {
    Wide::nested(levels)
}

#[test]
fn compressed_bytes_nested_too_deep_are_a_miss() {
    with_a_server(|server| async move {
        forged(&compressing(&server), 1).await;
        assert_eq!(keys(&server).await, 1, "the forged bytes are there");
        let (cache, origin, events) = (compressing(&server), Origin::default(), Events::capture());
        for _ in 0..2 {
            assert_eq!(wide(&cache, &origin, 1).await, Wide::nested(1));
        }
        assert_eq!(origin.runs(), 1, "the forged bytes are overwritten");
        assert!(told(&events, "counts as a miss", "why").contains("nested"));
    });
}

#[test]
fn callers_that_wait_for_a_value_nested_too_deep_get_it_by_runs_of_their_own() {
    with_a_server(|server| async move {
        let (cache, origin) = (cache(&server), Origin::held());
        let callers = futures_util::future::join_all((0..5).map(|_| wide(&cache, &origin, DEEP)));
        let (answers, ()) = tokio::join!(callers, async {
            origin.has_begun(1).await;
            origin.let_go();
        });
        assert!(answers.iter().all(|answer| answer.levels() == DEEP));
        assert_eq!(origin.runs(), 5);
    });
}

/// An error that is a value like another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Failed(Wide);

#[redis_cached(key = "failing:<levels>", ttl = 600, err_ttl = 600, codec = Json, cache = cache, skip(cache, origin))]
async fn failing(cache: &Cache, origin: &Origin, levels: usize) -> Result<u8, Failed> {
    origin.run().await;
    Err(Failed(Wide::nested(levels)))
}

type ForgingJson = Forging<Json, 10_000>;

#[redis_cached(key = "failing:<levels>", ttl = 600, err_ttl = 600, codec = ForgingJson, cache = cache, skip(cache))]
async fn failing_with_forged_bytes(cache: &Cache, levels: usize) -> Result<u8, Failed> {
    Err(Failed(Wide::nested(levels)))
}

#[test]
fn an_error_nested_too_deep_is_returned_and_not_stored() {
    with_a_server(|server| async move {
        let (cache, events) = (cache(&server), Events::capture());
        let failed = failing(&cache, &Origin::default(), DEEP).await.expect_err("it fails");
        assert_eq!((failed.0.levels(), keys(&server).await), (DEEP, 0));
        assert!(told(&events, "not stored", "error").contains("nested"));
    });
}

#[test]
fn a_stored_error_nested_too_deep_is_a_miss() {
    with_a_server(|server| async move {
        failing_with_forged_bytes(&cache(&server), 1).await.expect_err("it fails");
        let (cache, origin, events) = (cache(&server), Origin::default(), Events::capture());
        for _ in 0..2 {
            assert_eq!(failing(&cache, &origin, 1).await.expect_err("it fails").0.levels(), 1);
        }
        assert_eq!(origin.runs(), 1, "the forged bytes are overwritten");
        told(&events, "counts as a miss", "why");
    });
}

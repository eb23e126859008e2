//! `REDIS_URL`, and what `health()` says of a store that was never reached.

use cache_runtime::{Cache, ErrorKind, Memory, Outcome, State, redis_cached, report};
use support::{Origin, RedisServer, Worker, built};

/// What a process says of its `REDIS_URL`.
struct Said {
    outcomes: String,
    health: String,
    errors: Vec<String>,
    asked_for: String,
}

async fn with(redis_url: Option<&str>) -> Said {
    let mut worker = Worker::start(env!("CARGO_BIN_EXE_worker"), "environment", redis_url).await;
    worker.tell("go").await;
    let (outcomes, health) = (worker.hear().await, worker.hear().await);
    let errors = worker.hear().await.split(" | ").filter(|error| !error.is_empty()).map(str::to_owned).collect();
    Said { outcomes, health, errors, asked_for: worker.hear().await }
}

#[tokio::test]
async fn one_that_is_not_a_url_is_an_error_for_each_function_and_in_health() {
    for url in [
        "localhost:6379",
        "http://ada:hunter2@db/",
        "redis%3A%2F%2Fada%3Ahunter2%40db",
        "redis://ada%3Ahunter2%40db",
        "redis://:hunter2@",
    ] {
        let Said { outcomes, health, errors, asked_for } = with(Some(url)).await;
        assert_eq!(outcomes, "7 hit:2 miss:2", "it is cached in the process");
        let why = "REDIS_URL is not a Redis URL: ";
        assert!(health.starts_with("the in-process store (64 MiB) misconfigured for "), "{health}");
        assert!(health.contains(why) && health.contains("caching in this process only"), "{health}");
        let of = |function: &str| errors.iter().filter(|error| error.starts_with(function)).count();
        assert_eq!((of("the process: "), of("counted: "), of("timed: "), errors.len()), (1, 1, 1, 3), "{errors:?}");
        assert!(errors.iter().all(|error| error.contains(why)), "{errors:?}");
        assert!(asked_for.starts_with(why) && asked_for.contains("write redis://"), "{asked_for}");
        assert!(![health, errors.concat(), asked_for].concat().contains("hunter2"));
    }
}

#[tokio::test]
async fn none_is_a_cache_in_the_process_and_an_error_where_it_was_asked_for() {
    for url in [None, Some("")] {
        let Said { outcomes, health, errors, asked_for } = with(url).await;
        assert_eq!(outcomes, "7 hit:2 miss:2");
        assert!(health.starts_with("the in-process store (64 MiB) up for "), "{health}");
        assert_eq!(errors, [""; 0]);
        assert!(asked_for.starts_with("REDIS_URL is not set: set it to redis://"), "{asked_for}");
    }
}

#[tokio::test]
async fn one_of_a_server_is_used_and_named() {
    let server = RedisServer::start().await;
    let Said { outcomes, health, errors, asked_for } = with(Some(&server.url())).await;
    assert_eq!((outcomes.as_str(), errors.len()), ("7 hit:2 miss:2", 0));
    assert!(health.starts_with(&format!("127.0.0.1:{} up for ", server.port())), "{health}");
    assert!(asked_for.starts_with(&format!("127.0.0.1:{} not yet contacted for ", server.port())), "{asked_for}");
}

#[redis_cached(key = "answer:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

#[tokio::test]
async fn a_server_is_up_once_it_has_answered() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]).await;
    for builder in [Cache::builder().redis_url(server.url()), Cache::builder().redis_cluster([server.url()])] {
        let (cache, origin) = (built(builder), Origin::default());
        let health = cache.health();
        assert_eq!((health.state(), health.why(), health.servers().len()), (State::NotContacted, None, 1));
        answer(&cache, &origin, 7).await;
        assert_eq!(cache.health().state(), State::Up, "{}", cache.health());
    }
}

#[tokio::test]
async fn a_server_that_was_never_reached_is_not_up() {
    for builder in
        [Cache::builder().redis_url("redis://127.0.0.1:1/"), Cache::builder().redis_cluster(["redis://127.0.0.1:1/"])]
    {
        let (cache, origin) = (built(builder), Origin::default());
        let (_, reported) = report(answer(&cache, &origin, 7)).await;
        assert_eq!(reported.calls()[0].outcome(), Outcome::Degraded);
        let health = cache.health();
        assert_eq!(health.state(), State::NotContacted, "{health}");
        assert!(health.why().is_some_and(|why| why.contains("Connection refused")), "{health}");
        while cache.health().state() != State::Down {
            answer(&cache, &origin, 7).await;
        }
    }
}

#[test]
fn a_store_that_connects_to_nothing_is_up() {
    for (memory, name) in [
        (Memory::default(), "the in-process store (64 MiB)"),
        (Memory::bytes(100_000), "the in-process store (100000 bytes)"),
        (Memory::entries(10), "the in-process store (10 entries)"),
    ] {
        let health = built(Cache::builder().memory(memory)).health();
        assert_eq!((health.state(), health.servers()[0].name()), (State::Up, name));
        assert!(health.to_string().starts_with(&format!("{name} up for ")), "{health}");
    }
}

#[test]
fn all_mistakes_of_a_builder_are_one_error() {
    let builder = Cache::builder().redis_url("redis://ada:hunter2").prefix("prod:").memory(Memory::entries(0));
    let error = builder.build().expect_err("three mistakes");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(text.starts_with("3 mistakes in the configuration: (1) 2 stores are configured"), "{text}");
    assert!(text.contains("(2) the prefix \"prod:\"") && text.contains("(3) `Memory::entries(0)`"), "{text}");
}

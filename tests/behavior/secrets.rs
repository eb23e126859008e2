//! What a server sends is in no event, no error and no `health()`: it may be a value, and error replies repeat the
//! arguments of commands, passwords among them.

use std::error::Error as StdError;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use cache_runtime::{Cache, Codec as _, Error, MessagePack, redis_cached};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use support::{Events, Liar, Lie, On, RedisServer, built, within};

/// What must not be shown.
const SECRET: &str = "hunter2";

/// Each type of answer, with the secret in it, and answers that follow no protocol.
const ANSWERS: [&str; 24] = [
    "$7\r\nhunter2\r\n",
    "+hunter2\r\n",
    "*1\r\n$7\r\nhunter2\r\n",
    "*2\r\n+OK\r\n*1\r\n+hunter2\r\n",
    "%1\r\n+hunter2\r\n+hunter2\r\n",
    "~1\r\n$7\r\nhunter2\r\n",
    "=11\r\ntxt:hunter2\r\n",
    ">2\r\n+hunter2\r\n+hunter2\r\n",
    "|1\r\n+hunter2\r\n+hunter2\r\n$7\r\nhunter2\r\n",
    "-hunter2\r\n",
    "-HUNTER2 hunter2\r\n",
    "-ERR hunter2\r\n",
    "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'hunter2'\r\n",
    "-NOPERM User hunter2 has no permissions to run the 'hunter2' command\r\n",
    "-WRONGPASS hunter2:hunter2 is no user\r\n",
    "-NOAUTH hunter2\r\n",
    "-LOADING hunter2\r\n",
    "-READONLY hunter2\r\n",
    "!11\r\nERR hunter2\r\n",
    "*1\r\n-ERR hunter2\r\n",
    "$hunter2\r\n",
    ":hunter2\r\n",
    "(hunter2\r\n",
    "hunter2\r\n",
];

#[redis_cached(key = "open:<id>", ttl = 600, cache = cache, skip(cache))]
async fn open(cache: &Cache, id: u64) -> u64 {
    id
}

#[redis_cached(key = "closed:<id>", ttl = 600, fail_open = false, cache = cache, skip(cache))]
async fn closed(cache: &Cache, id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// All that an error shows, to whoever prints it in whichever way.
fn printed(error: &Error) -> String {
    let mut printed = vec![format!("{error} {error:?} {error:#?}")];
    let mut source = error.source();
    while let Some(cause) = source {
        printed.push(format!("{cause} {cause:?}"));
        source = cause.source();
    }
    printed.join(" ")
}

/// Calls and uses handles, on a server that answers nothing honestly, until it is given up; all that is shown meanwhile.
async fn shown(cache: &Cache) -> Vec<String> {
    let (events, mut shown) = (Events::capture(), Vec::new());
    for id in 1..=6 {
        assert_eq!(open(cache, id).await, id);
        let entry = open_entry(cache, id);
        let errors = [
            closed(cache, id).await.err(),
            entry.get().await.err(),
            entry.put(&id).await.err(),
            entry.invalidate().await.err(),
        ];
        shown.extend(errors.iter().flatten().map(printed));
        let health = cache.health();
        shown.push(format!("{health} {health:?}"));
    }
    shown.extend(events.all().iter().map(|event| format!("{event:?}")));
    shown
}

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens to the panics of tasks, which nobody else hears of.
fn hears_panics() {
    static HEARS: Once = Once::new();
    HEARS.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
            hook(panic);
        }));
    });
}

/// Puts a lying server before a cache, tells each lie, and looks at what is shown.
async fn nothing_is_shown_of_lies(cache_at: impl Fn(String) -> Cache) {
    hears_panics();
    let server = RedisServer::start().await;
    let liar = Liar::before(&server).await;
    for on in [On::Get, On::Lease, On::Commit, On::Time, On::Everything] {
        for answer in ANSWERS {
            liar.is_honest();
            let cache = cache_at(liar.url());
            if on != On::Everything && on != On::Time {
                assert_eq!(open(&cache, 0).await, 0);
            }
            liar.lies(on, Lie::Says(answer.as_bytes().to_vec()));
            let shown = within(&format!("{answer:?} on {on:?}"), shown(&cache)).await;
            let leak = shown.iter().find(|text| text.contains(SECRET) || text.contains("HUNTER2"));
            assert_eq!(leak, None, "{answer:?} on {on:?}");
        }
    }
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(panics.iter().all(|panic| !panic.contains(SECRET)), "{panics:?}");
}

#[tokio::test]
async fn nothing_that_a_server_answers_is_shown() {
    nothing_is_shown_of_lies(|url| built(Cache::builder().redis_url(url).deadline(Duration::from_millis(50)))).await;
}

#[tokio::test]
async fn nothing_that_a_node_of_a_cluster_answers_is_shown() {
    nothing_is_shown_of_lies(|url| built(Cache::builder().redis_cluster([url]).deadline(Duration::from_millis(50))))
        .await;
}

#[tokio::test]
async fn a_password_that_is_refused_is_not_shown() {
    let server = RedisServer::start_with(&["--requirepass", "right"]).await;
    for user in ["", "ada"] {
        let cache = built(Cache::builder().redis_url(format!("redis://{user}:{SECRET}@127.0.0.1:{}/", server.port())));
        let shown = shown(&cache).await;
        assert!(shown.iter().all(|text| !text.contains(SECRET)), "{shown:?}");
        assert!(shown.iter().any(|text| text.contains("the user or the password is not accepted")), "{shown:?}");
    }
}

/// A value that cannot be written or read, and whose type says so in full.
#[derive(Debug, PartialEq)]
struct Refused(String);

impl Serialize for Refused {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.starts_with("writable") {
            return self.0.serialize(serializer);
        }
        Err(serde::ser::Error::custom(format!("{} cannot be written", self.0)))
    }
}

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("{text} cannot be read")))
    }
}

#[redis_cached(key = "refused:<text>", ttl = 600, cache = cache, skip(cache, value))]
async fn refused(cache: &Cache, text: &str, value: &str) -> Refused {
    assert!(!text.is_empty());
    Refused(value.to_owned())
}

#[tokio::test]
async fn nothing_of_a_value_that_cannot_be_written_or_read_is_shown() {
    let server = RedisServer::start().await;
    let (cache, events) = (built(Cache::builder().redis_url(server.url())), Events::capture());
    let mut shown = Vec::new();
    for value in [SECRET.to_owned(), format!("writable {SECRET}")] {
        for _ in 0..2 {
            assert_eq!(refused(&cache, "a", &value).await, Refused(value.clone()));
        }
        let entry = refused_entry(&cache, "a");
        assert_eq!(entry.get().await.expect("the server is up"), None);
        shown.extend(entry.put(&Refused(value.clone())).await.err().iter().map(printed));
    }
    shown.push(printed(&MessagePack::decode::<Vec<u64>>(b"\xA7hunter2").expect_err("no list")));
    shown.extend(events.all().iter().map(|event| format!("{event:?}")));
    assert!(shown.iter().any(|text| text.contains("cannot decode")) && shown.len() > 4, "{shown:?}");
    assert!(shown.iter().all(|text| !text.contains(SECRET)), "{shown:?}");
}

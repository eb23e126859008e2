//! What no real server says on cue.

use cache_runtime::State;
use support::{Events, Liar, Lie, On, Origin, RedisServer, within};
use tracing::Level;

use super::{answers_in_spite_of, cache_at, is_served_again, is_told_of, word};

/// A lie, said to a look, to a lease, to a commit; the server is honest again after each.
async fn survives_everywhere(name: &str, lie: Lie) {
    for on in [On::Get, On::Lease, On::Commit] {
        survives(name, on, lie.clone()).await;
    }
}

async fn survives(name: &str, on: On, lie: Lie) {
    let name = format!("{name} on {on:?}");
    let server = RedisServer::start().await;
    let liar = Liar::before(&server).await;
    let cache = cache_at(&liar.url());
    liar.lies(on, lie);
    is_told_of(&cache, &name).await;
    liar.is_honest();
    is_served_again(&cache, &name).await;
}

fn says(bytes: &[u8]) -> Lie {
    Lie::Says(bytes.to_vec())
}

#[tokio::test]
async fn errors_out_of_the_blue() {
    for error in [
        "LOADING Redis is loading the dataset in memory",
        "MOVED 3999 127.0.0.1:6381",
        "ASK 3999 127.0.0.1:6381",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "BUSY Redis is busy running a script",
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOREPLICAS Not enough good replicas to write.",
        "MISCONF Redis is configured to save RDB snapshots",
        "ERR max number of clients reached",
        "",
        "\u{FFFD}",
    ] {
        survives_everywhere(error, says(format!("-{error}\r\n").as_bytes())).await;
    }
}

#[tokio::test]
async fn a_server_that_never_knows_its_scripts() {
    for on in [On::Lease, On::Commit] {
        survives("NOSCRIPT", on, says(b"-NOSCRIPT No matching script.\r\n")).await;
    }
}

#[tokio::test]
async fn garbage() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\0\0\0\0\r\n",
        b"\r\n",
        b"$x\r\n",
        b":one\r\n",
        b"*one\r\n",
        b"#maybe\r\n",
        b",pi\r\n",
        b"$1\r\nlong\r\n",
        b"+\xFF\xFE\r\n",
        b"=3\r\nabc\r\n",
        b"%9223372036854775807\r\n",
        b">1\r\n:1\r\n",
    ] {
        survives_everywhere(&format!("{:?}", garbage.escape_ascii().to_string()), says(garbage)).await;
    }
}

// The client's own words on such an answer take several lines, of which a log or an alert would show one.
#[tokio::test]
async fn what_is_said_of_garbage_is_one_line() {
    for garbage in [&b"?\r\n"[..], b"$x\r\n", b"%9223372036854775807\r\n", b"*1\r\n*one\r\n"] {
        let server = RedisServer::start().await;
        let liar = Liar::before(&server).await;
        let cache = cache_at(&liar.url());
        liar.lies(On::Everything, says(garbage));
        let events = Events::capture();
        let given_up = async {
            while cache.health().state() != State::Down {
                word(&cache, &Origin::default(), 7).await;
            }
        };
        within("the breaker to open", given_up).await;
        let health = cache.health().to_string();
        assert!(!health.contains('\n'), "{health}");
        for event in events.at_least(Level::WARN) {
            assert!(event.fields.values().all(|text| !text.contains('\n')), "{event:?}");
        }
    }
}

#[tokio::test]
async fn answers_of_another_type_than_was_asked_for() {
    for (on, answer) in [
        (On::Get, &b":7\r\n"[..]),
        (On::Get, b"+OK\r\n"),
        (On::Get, b"+an entry\r\n"),
        (On::Get, b"$0\r\n\r\n"),
        (On::Get, b"*1\r\n:7\r\n"),
        (On::Get, b"*2\r\n$1\r\nx\r\n*1\r\n$1\r\ny\r\n"),
        (On::Get, b"*0\r\n"),
        (On::Get, b"%1\r\n+a\r\n+b\r\n"),
        (On::Get, b"~1\r\n+a\r\n"),
        (On::Get, b"#t\r\n"),
        (On::Get, b",1.5\r\n"),
        (On::Get, b"(123456789012345678901234567890\r\n"),
        (On::Get, b"=6\r\ntxt:hi\r\n"),
        (On::Get, b">2\r\n+message\r\n+hello\r\n"),
        (On::Get, b">3\r\n+subscribe\r\n+a\r\n:1\r\n"),
        (On::Lease, b":7\r\n"),
        (On::Lease, b"*1\r\n*1\r\n:7\r\n"),
        (On::Commit, b"$3\r\nyes\r\n"),
        (On::Commit, b"*1\r\n*1\r\n:7\r\n"),
        (On::Commit, b"%0\r\n"),
    ] {
        survives(&answer.escape_ascii().to_string(), on, says(answer)).await;
    }
}

// The arithmetic on such a time once ended the task that makes the connection, and with it every connection.
#[tokio::test]
async fn times_that_no_clock_shows() {
    for time in [
        &b"*2\r\n$20\r\n18446744073709551615\r\n$6\r\n999999\r\n"[..],
        b"*2\r\n$20\r\n18446744073709551615\r\n$10\r\n4294967295\r\n",
        b"*2\r\n$10\r\n1790000000\r\n$7\r\n4294968\r\n",
        b"*2\r\n$10\r\n1790000000\r\n$7\r\n1000000\r\n",
        b"*2\r\n$19\r\n9223372036854775807\r\n$1\r\n0\r\n",
        b"*2\r\n$12\r\n250000000000\r\n$1\r\n0\r\n",
        b"*2\r\n$2\r\n-1\r\n$1\r\n0\r\n",
        b"*2\r\n:1790000000\r\n:-1\r\n",
        b"*1\r\n:1790000000\r\n",
        b"*0\r\n",
        b"$4\r\nnoon\r\n",
        b"_\r\n",
        b"-ERR unknown command 'TIME'\r\n",
    ] {
        let server = RedisServer::start().await;
        let liar = Liar::before(&server).await;
        let (cache, origin) = (cache_at(&liar.url()), Origin::default());
        liar.lies(On::Time, says(time));
        let events = Events::capture();
        let shown = time.escape_ascii().to_string();
        for _ in 0..2 {
            assert_eq!(word(&cache, &origin, 7).await, "word 7, run 1", "{shown}");
        }
        assert_eq!(events.at_least(Level::WARN), [], "{shown}");
        let told = events.all().iter().filter(|event| event.message.contains("does not tell its time")).count();
        assert_eq!(told, 1, "{shown}");
    }
}

#[tokio::test]
async fn half_an_answer_and_then_silence() {
    for half in [&b"$"[..], b"$100", b"$100\r\n", b"*2\r\n:1\r\n", b"-LOAD", b""] {
        survives(&half.escape_ascii().to_string(), On::Get, Lie::FallsSilent(half.to_vec())).await;
    }
    survives_everywhere("half a text", Lie::FallsSilent(b"$100\r\nonly so much".to_vec())).await;
}

#[tokio::test]
async fn half_an_answer_and_then_the_end() {
    for half in [&b"$"[..], b"$100\r\nonly so much", b"*2\r\n:1\r\n", b"-LOAD", b""] {
        survives_everywhere(&half.escape_ascii().to_string(), Lie::HangsUp(half.to_vec())).await;
    }
}

#[tokio::test]
async fn lengths_that_nobody_can_mean() {
    for announced in [
        &b"$1073741824\r\nand so little"[..],
        b"$9223372036854775807\r\n",
        b"*2147483647\r\n:1\r\n",
        b"*9223372036854775807\r\n:1\r\n",
        b"%4611686018427387904\r\n",
        b"|4611686018427387904\r\n",
        b"=-9\r\n",
        b"!-9\r\n",
    ] {
        survives(&announced.escape_ascii().to_string(), On::Get, Lie::FallsSilent(announced.to_vec())).await;
    }
}

#[tokio::test]
async fn arrays_in_arrays_without_end() {
    survives_everywhere("nested arrays", Lie::NeverEnds(b"*1\r\n".to_vec())).await;
}

/// Nobody calls again, so nobody else's deadline passes: what hangs must be noticed all the same, or it takes up memory
/// for as long as the server talks.
#[tokio::test]
async fn an_answer_without_end_is_not_listened_to_for_ever() {
    for endless in [&b":1\r\n"[..], b"endless"] {
        let server = RedisServer::start().await;
        let liar = Liar::before(&server).await;
        let cache = cache_at(&liar.url());
        is_served_again(&cache, "nothing yet").await;
        let head: &[u8] =
            if endless.starts_with(b":") { b"*9223372036854775807\r\n" } else { b"$9223372036854775807\r\n" };
        liar.lies(On::Get, Lie::NeverEnds([head, &endless.repeat(1_000)].concat()));
        is_told_of(&cache, "an endless answer").await;
        liar.is_left().await;
        liar.is_honest();
        is_served_again(&cache, "an endless answer").await;
    }
}

#[tokio::test]
async fn lies_from_the_first_word_on() {
    for lie in [
        says(b"-LOADING Redis is loading the dataset in memory\r\n"),
        says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        says(b"+OK\r\n"),
        says(b"*0\r\n"),
        Lie::HangsUp(Vec::new()),
        Lie::FallsSilent(b"%7\r\n".to_vec()),
        Lie::NeverEnds(b"*1\r\n".to_vec()),
    ] {
        let server = RedisServer::start().await;
        let (liar, name) = (Liar::before(&server).await, format!("{lie:?}"));
        let cache = cache_at(&liar.url());
        liar.lies(On::Everything, lie);
        answers_in_spite_of(&cache, &name).await;
        liar.is_honest();
        is_served_again(&cache, &name).await;
    }
}

/// A connection whose answers are off by one hands out whole entries of other keys.
#[tokio::test]
async fn answers_to_another_question() {
    let server = RedisServer::start().await;
    let liar = Liar::before(&server).await;
    let (cache, origin) = (cache_at(&liar.url()), Origin::default());
    word(&cache, &origin, 1).await;
    let entry: Vec<u8> =
        redis::cmd("GET").arg("word:1").query_async(&mut server.client().await).await.expect("the server is up");
    let answer = [format!("${}\r\n", entry.len()).as_bytes(), &entry, b"\r\n"].concat();
    for on in [On::Get, On::Lease] {
        liar.lies(on, Lie::Says(answer.clone()));
        answers_in_spite_of(&cache, &format!("another's answer on {on:?}")).await;
        liar.is_honest();
        is_served_again(&cache, "another's answer").await;
        redis::cmd("DEL").arg("word:7").exec_async(&mut server.client().await).await.expect("the server is up");
    }
}

/// One answer too many, and all that follow are those to the question before.
#[tokio::test]
async fn answers_that_are_off_by_one() {
    let server = RedisServer::start().await;
    let liar = Liar::before(&server).await;
    let (cache, origin) = (cache_at(&liar.url()), Origin::default());
    for id in 1..=20 {
        word(&cache, &origin, id).await;
    }
    liar.lies(On::Get, Lie::Precedes(b"$-1\r\n".to_vec()));
    let calls = futures_util::future::join_all((1..=20).map(async |id| (id, word(&cache, &origin, id).await)));
    for (id, answer) in within("twenty calls", calls).await {
        assert!(answer.starts_with(&format!("word {id}, ")), "the value of another key: {answer} for {id}");
    }
    liar.is_honest();
    is_served_again(&cache, "answers off by one").await;
}

//! Past the bound on keys, all entries under the prefix are removed once the server answers, and nothing else is.

use std::collections::BTreeSet;

use cache_runtime::{Cache, CacheBuilder, Sweep};
use redis::aio::MultiplexedConnection;
use support::{Events, Liar, Lie, On, Origin, Proxy, RedisCluster, RedisServer, built};
use tokio::runtime::{Builder, Handle};
use tracing::Level;

use super::{
    Versions, all_get_through, ask, eventually, fails_to_invalidate, fill, keeping_none, on, removes, seen, slow,
    slow_entry, version, version_entry,
};

const KEYS: u64 = 500;

fn shop(server: &RedisServer) -> CacheBuilder {
    on(server).prefix("shop")
}

// A minute after ten thousand failures other processes read all 500 old values.
#[tokio::test]
async fn nobody_reads_an_old_value_once_the_sweep_is_through_and_this_process_reads_none_before() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (keeping_none(shop(&server)), built(shop(&server)));
    let versions = Versions::default();
    fill(&ours, &versions, 0..KEYS).await;
    server.pause();
    versions.write();
    fails_to_invalidate(&ours, 0..KEYS).await;
    let health = ours.health();
    assert_eq!((health.pending().unkept() as u64, health.pending().sweep()), (KEYS, Sweep::Pending), "{health}");
    assert!(health.to_string().contains("500 pending invalidations, 500 of them without a key (a sweep is pending)"));
    server.resume();
    let mut id = 0;
    while ours.health().pending_invalidations() > 0 {
        id = (id + 7) % KEYS;
        assert_eq!(version(&ours, &versions, id).await, 1, "an old value");
    }
    assert_eq!(ours.health().pending().sweep(), Sweep::NotNeeded);
    for id in 0..KEYS {
        assert_eq!(version(&theirs, &versions, id).await, 1, "an old value in another process");
        assert_eq!(version(&ours, &versions, id).await, 1, "an old value");
    }
}

#[tokio::test]
async fn a_sweep_asks_for_pages_and_leaves_alone_what_is_not_an_entry_under_its_prefix() {
    let server = RedisServer::start().await;
    let (ours, shelf, versions) =
        (keeping_none(shop(&server)), built(on(&server).prefix("shopping")), Versions::default());
    fill(&ours, &versions, 0..KEYS).await;
    fill(&shelf, &versions, 0..5).await;
    let mut client = server.client().await;
    let text = b"a text of somebody else that is longer than a header";
    // What looks like an entry, and is none: another first byte, too short, no version, one to come.
    let strings: [(&str, &[u8]); 5] = [
        ("shop:text", text),
        ("shop:short", b"\xCA\x01\x01\x01"),
        ("shop:other", &[&[0xCB, 1], &text[..]].concat()),
        ("shop:none", &[&[0xCA, 0], &text[..]].concat()),
        ("shop:new", &[&[0xCA, 200], &text[..]].concat()),
    ];
    for (key, value) in strings {
        redis::cmd("SET").arg(key).arg(value).exec_async(&mut client).await.expect("the server is up");
    }
    ask::<u64>(&mut client, "RPUSH shop:list entry").await;
    ask::<u64>(&mut client, "HSET shop:hash field value").await;

    removes(&server, false).await;
    fails_to_invalidate(&ours, [1]).await;
    eventually("the sweep to be refused", async || ours.health().pending().last_error() != Some("")).await;
    let (before, events) = (server.commands().await, Events::capture());
    removes(&server, true).await;
    all_get_through(&ours).await;
    let asked = server.commands().await.since(&before);
    let scripts = asked["eval"] + asked.get("evalsha").copied().unwrap_or(0);
    assert!((1..=6).contains(&asked["scan"]), "{asked:?}");
    assert!((500..=1_100).contains(&scripts) && asked["unlink"] == KEYS, "{asked:?}");
    let swept = events.at_least(Level::INFO).into_iter().find(|event| event.message.contains("were removed"));
    assert_eq!(swept.expect("an event says so").field("count"), Some("1"));

    assert_eq!((seen(&ours, 0..KEYS).await, seen(&shelf, 0..5).await), (0, 5));
    for (key, value) in strings {
        assert_eq!(ask::<Vec<u8>>(&mut client, &format!("GET {key}")).await, value, "{key}");
    }
    let others: BTreeSet<String> = ask::<Vec<String>>(&mut client, "KEYS shop:*").await.into_iter().collect();
    assert_eq!(others.len(), 7, "{others:?}");
}

/// It has loaded its value before the invalidation, and would store it after the sweep.
#[tokio::test]
async fn a_sweep_takes_the_lease_of_a_fill_in_another_process_that_began_before_it() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (keeping_none(on(&server)), built(on(&server)));
    let origin = Origin::held();
    let (loaded, ()) = tokio::join!(slow(&theirs, &origin), async {
        origin.has_begun(1).await;
        removes(&server, false).await;
        slow_entry(&ours).invalidate().await.expect_err("the server refuses");
        removes(&server, true).await;
        all_get_through(&ours).await;
        origin.let_go();
    });
    assert_eq!(loaded, 1, "the caller from before gets what it loaded");
    assert_eq!(slow_entry(&theirs).get().await.expect("the server is up"), None, "and leaves nothing behind");
}

/// Pages of the size that a sweep asks for, as long as nothing is added.
async fn pages(client: &mut MultiplexedConnection) -> Vec<Vec<String>> {
    let (mut cursor, mut pages) = (0, Vec::new());
    loop {
        let (next, page): (u64, Vec<String>) =
            ask(client, &format!("SCAN {cursor} MATCH shop:version:* COUNT 500")).await;
        pages.push(page);
        cursor = next;
        if cursor == 0 {
            return pages;
        }
    }
}

/// A sweep that cannot go on, since the server lies about one key in the midst of it.
async fn stuck(server: &RedisServer) -> (Liar, Cache, MultiplexedConnection) {
    let (liar, mut client) = (Liar::before(server).await, server.client().await);
    let filler = built(shop(server));
    fill(&filler, &Versions::default(), 0..2_500).await;
    ask::<()>(&mut client, "SAVE").await;
    let pages = pages(&mut client).await;
    let ours = keeping_none(Cache::builder().redis_url(liar.url()).prefix("shop"));
    version_entry(&ours, 1).get().await.expect("the server is up");
    liar.lies(On::Everything, Lie::Says(b"-ERR lied\r\n".to_vec()));
    fails_to_invalidate(&ours, [1]).await;
    liar.lies(On::ScriptOn(String::leak(pages[2][0].clone())), Lie::Says(b"-ERR lied\r\n".to_vec()));
    let passed = &pages[1][0];
    eventually("the pages before it to be removed", async || {
        ask::<u64>(&mut client, &format!("EXISTS {passed}")).await == 0
    })
    .await;
    (liar, ours, client)
}

#[tokio::test]
async fn a_step_that_failed_is_repeated_from_where_it_began() {
    let server = RedisServer::start().await;
    let (liar, ours, mut client) = stuck(&server).await;
    let mut traffic = server.traffic().await;
    let begins_anew = |lines: &[String]| lines.iter().any(|line| line.contains(r#""SCAN" "0""#));
    eventually("the step to fail again", async || {
        let lines = traffic.lines().await;
        assert!(!begins_anew(&lines), "{lines:?}");
        let pending = ours.health().pending().clone();
        pending.sweep() == Sweep::Pending && pending.last_error().is_some_and(|why| why.contains("Redis: "))
    })
    .await;
    liar.is_honest();
    all_get_through(&ours).await;
    let lines = traffic.lines().await;
    assert!(!begins_anew(&lines), "{lines:?}");
    assert_eq!(ask::<Vec<String>>(&mut client, "KEYS *").await, Vec::<String>::new());
}

/// Its cursors mean something else, and it has loaded what was removed already.
#[tokio::test]
async fn a_sweep_begins_anew_on_a_server_that_was_restarted() {
    let mut server = RedisServer::start().await;
    let (liar, ours, _) = stuck(&server).await;
    server.restart().await;
    assert_eq!(ask::<u64>(&mut server.client().await, "DBSIZE").await, 2_500, "it has loaded all of them");
    liar.is_honest();
    all_get_through(&ours).await;
    let left: Vec<String> = ask(&mut server.client().await, "KEYS *").await;
    assert_eq!(left.len(), 0, "{:?} and more", left.first());
}

async fn user(server: &RedisServer, rules: &str) -> String {
    let mut client = server.client().await;
    ask::<()>(&mut client, &format!("ACL SETUSER team on >secret +@all {rules}")).await;
    format!("redis://team:secret@127.0.0.1:{}/", server.port())
}

#[tokio::test]
async fn a_sweep_without_a_prefix_passes_over_keys_that_are_out_of_its_reach() {
    let server = RedisServer::start().await;
    let url = user(&server, "~version:*").await;
    let (ours, versions) = (keeping_none(Cache::builder().redis_url(url)), Versions::default());
    let theirs = built(shop(&server));
    fill(&ours, &versions, 0..5).await;
    // Most pages begin with such a key: it does not make the script known to the server.
    fill(&theirs, &versions, 0..100).await;
    user(&server, "-unlink").await;
    fails_to_invalidate(&ours, [1]).await;
    user(&server, "+unlink").await;
    all_get_through(&ours).await;
    assert_eq!((seen(&ours, 0..5).await, seen(&theirs, 0..100).await), (0, 100));
}

#[tokio::test]
async fn a_sweep_that_the_server_refuses_is_pending_and_says_why_until_it_is_allowed() {
    let server = RedisServer::start().await;
    let url = user(&server, "~* -scan -unlink").await;
    let (ours, versions) = (keeping_none(Cache::builder().redis_url(url).prefix("shop")), Versions::default());
    fill(&ours, &versions, 0..5).await;
    fails_to_invalidate(&ours, [1]).await;
    // What it may not do, and then what it may not touch under its own prefix.
    for (rules, why) in [("+scan", "command"), ("resetkeys ~shop:version:1 +unlink", "command"), ("~*", "access")] {
        eventually(why, async || {
            let health = ours.health();
            assert_eq!(health.pending().unkept(), 1, "{health}");
            health.pending().last_error().is_some_and(|error| error.contains("NOPERM") && error.contains(why))
        })
        .await;
        user(&server, rules).await;
    }
    all_get_through(&ours).await;
    assert_eq!(seen(&ours, 0..5).await, 0);
}

/// `SCAN` for no key: which node of a cluster gets it is the connection's choice.
#[tokio::test]
async fn a_connection_of_the_users_own_is_swept_unless_it_leads_to_a_cluster() {
    let (server, cluster) = (RedisServer::start().await, RedisCluster::start_with(1, &[]).await);
    for (server, swept) in [(&server, true), (&cluster.nodes[0], false)] {
        let connection = server.client().await;
        let (ours, versions) = (keeping_none(Cache::builder().redis_connection(connection)), Versions::default());
        let events = Events::capture();
        version(&ours, &versions, 1).await;
        removes(server, false).await;
        fails_to_invalidate(&ours, [1]).await;
        removes(server, true).await;
        if swept {
            all_get_through(&ours).await;
            assert_eq!(seen(&ours, 1..2).await, 0);
        } else {
            eventually("the sweep to be given up", async || ours.health().pending().sweep() == Sweep::Unsupported)
                .await;
            assert!(ours.health().to_string().contains("not supported by the store"), "{}", ours.health());
            let said = events.at_least(Level::ERROR);
            assert!(said.iter().any(|event| event.message.contains("cannot list its keys")), "{said:?}");
        }
    }
}

#[tokio::test]
async fn a_cache_that_is_dropped_takes_its_sweep_with_it() {
    let server = RedisServer::start().await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let cache = keeping_none(on(&server));
    removes(&server, false).await;
    fails_to_invalidate(&cache, [1]).await;
    version(&cache, &Versions::default(), 1).await;
    eventually("the sweep to fail", async || {
        cache.health().pending().last_error().is_some_and(|why| why.contains("script"))
    })
    .await;
    assert!(tasks() > 0);
    drop(cache);
    eventually("the tasks of the cache to end", async || tasks() == 0).await;
}

#[test]
fn a_sweep_that_a_runtime_left_undone_is_taken_up_by_the_next_read() {
    let [first, second] = [(); 2].map(|()| Builder::new_current_thread().enable_all().build().expect("a runtime"));
    let server = second.block_on(RedisServer::start());
    let (cache, versions) = (keeping_none(on(&server)), Versions::default());
    first.block_on(async {
        fill(&cache, &versions, 0..5).await;
        removes(&server, false).await;
        fails_to_invalidate(&cache, [1]).await;
        removes(&server, true).await;
    });
    drop(first);
    second.block_on(async {
        assert_eq!(cache.health().pending().unkept(), 1);
        version(&cache, &versions, 2).await;
        all_get_through(&cache).await;
    });
}

/// The name of the server leads elsewhere by now: only a new connection finds that out.
#[tokio::test]
async fn a_sweep_leaves_a_server_that_is_no_primary_any_more() {
    let (old, new) = (RedisServer::start().await, RedisServer::start().await);
    let (name, versions) = (Proxy::before(&old).await, Versions::default());
    let ours = keeping_none(Cache::builder().redis_url(name.url()));
    fill(&ours, &versions, 0..5).await;
    let theirs = built(on(&new));
    fill(&theirs, &versions, 0..5).await;
    ask::<()>(&mut old.client().await, "REPLICAOF 127.0.0.1 1").await;
    name.lead_newcomers_to(&new);
    fails_to_invalidate(&ours, [1]).await;
    all_get_through(&ours).await;
    assert_eq!(seen(&theirs, 0..5).await, 0);
}

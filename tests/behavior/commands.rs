//! Few round trips, by the server's own word: a hit is one command, a miss three, an invalidation one.

use std::collections::BTreeMap;

use cache_runtime::{Cache, redis_cached};
use support::{Commands, Origin, Stage};

#[redis_cached(key = "number:<id>", ttl = 600, lock = true, cache = cache, skip(cache, origin))]
async fn number(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id > 0);
    origin.run().await
}

/// A server that knows the scripts already: the first miss of a deployment also sends their text.
async fn warm_stage() -> Stage {
    let stage = Stage::redis().await;
    number(&stage.cache, &Origin::default(), 1).await;
    number_entry(&stage.cache, 1).put(&1).await.expect("the server is up");
    number_entry(&stage.cache, 1).invalidate().await.expect("the server is up");
    stage
}

fn calls(calls: &[(&str, u64)]) -> BTreeMap<String, u64> {
    calls.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect()
}

#[tokio::test]
async fn a_miss_a_hit_and_an_invalidation_cost_three_one_and_one() {
    let stage = warm_stage().await;
    let server = stage.server().expect("the stage is on Redis");
    let origin = Origin::default();
    let mut traffic = server.traffic().await;

    number(&stage.cache, &origin, 2).await;
    assert_eq!(traffic.sent().await, ["get", "evalsha", "evalsha"], "a miss");

    number(&stage.cache, &origin, 2).await;
    assert_eq!(traffic.sent().await, ["get"], "a hit");

    number_entry(&stage.cache, 2).invalidate().await.expect("the server is up");
    assert_eq!(traffic.sent().await, ["unlink"], "an invalidation");

    number_entry(&stage.cache, 2).get().await.expect("the server is up");
    assert_eq!(traffic.sent().await, ["get"], "a look at an entry");

    number_entry(&stage.cache, 2).put(&9).await.expect("the server is up");
    assert_eq!(traffic.sent().await, ["evalsha", "evalsha"], "a put: it begins and ends");
}

#[tokio::test]
async fn no_script_runs_on_the_hit_path() {
    let stage = warm_stage().await;
    let server = stage.server().expect("the stage is on Redis");
    let origin = Origin::default();
    number(&stage.cache, &origin, 3).await;

    let before: Commands = server.commands().await;
    for _ in 0..50 {
        number(&stage.cache, &origin, 3).await;
    }
    assert_eq!(server.commands().await.since(&before), calls(&[("get", 50)]));
}

#[tokio::test]
async fn the_commands_that_scripts_run_stay_few() {
    let stage = warm_stage().await;
    let server = stage.server().expect("the stage is on Redis");
    let before = server.commands().await;
    number(&stage.cache, &Origin::default(), 4).await;
    // Lease: read the head, set the lease. Commit: compare the token, set the value.
    let expected = calls(&[("evalsha", 2), ("get", 1), ("getrange", 2), ("set", 2)]);
    let after = server.commands().await;
    assert_eq!(after.since(&before), expected);

    number_entry(&stage.cache, 5).put(&9).await.expect("the server is up");
    // Begin: read the head, set the WRITE. End: read it, and set the value.
    let expected = calls(&[("evalsha", 2), ("getrange", 3), ("set", 2)]);
    assert_eq!(server.commands().await.since(&after), expected);
}

#[tokio::test]
async fn every_key_has_an_expiry_within_its_ttl_while_it_loads_and_when_it_is_loaded() {
    let stage = warm_stage().await;
    let server = stage.server().expect("the stage is on Redis");
    let mut client = server.client().await;
    let mut expiry = async || {
        let left: i64 = redis::cmd("PTTL").arg("number:5").query_async(&mut client).await.expect("the server is up");
        left
    };

    let origin = Origin::held();
    let (_, lease) = tokio::join!(number(&stage.cache, &origin, 5), async {
        origin.has_begun(1).await;
        let lease = expiry().await;
        origin.let_go();
        lease
    });
    assert!((1..=3_000).contains(&lease), "the lease expires in {lease} ms");
    let value = expiry().await;
    // The default jitter takes up to a tenth; the rest is what the test itself takes.
    assert!((500_000..=600_000).contains(&value), "the value expires in {value} ms");
}

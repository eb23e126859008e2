//! What is refused, and with which words.

use super::*;
use crate::error::ErrorKind;

fn refused(builder: CacheBuilder) -> String {
    let error = builder.build().expect_err("makes no sense");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

fn memory() -> CacheBuilder {
    Cache::builder().memory(Memory::entries(1))
}

#[test]
fn configurations_that_make_no_sense_are_refused_with_the_cure() {
    for (builder, found, cure) in [
        (memory().redis_url("redis://db"), "2 stores", "keep one of `redis_url`"),
        (memory().default_ttl(Duration::ZERO), "is 0ns: it must be above zero", "`default_ttl(Duration::from_secs("),
        (memory().default_ttl(Duration::MAX), "at most a year", "`default_ttl("),
        (memory().jitter(f64::NAN), "is NaN: it must be from 0.0 to 0.5", "`jitter(0.1)`"),
        (memory().jitter(0.6), "is 0.6", "`jitter(0.1)`"),
        (memory().deadline(Duration::ZERO), "the deadline is 0ns", "`deadline(Duration::from_millis(250))`"),
        (
            memory().deadline(Duration::from_secs(61)),
            "is 61s: it must be above zero and at most a minute",
            "`deadline(",
        ),
        (memory().max_refreshes(0), "is 0: it must be from 1 to 65536", "`max_refreshes(64)`"),
        (memory().outage_concurrency(0), "the outage concurrency is 0", "`outage_concurrency(32)`"),
        (memory().degraded_ttl(Duration::from_secs(3600)), "the degraded TTL is 3600s", "`degraded_ttl("),
        (memory().max_entry_bytes(8), "is 8: it must be from 1024 to 536870912", "`max_entry_bytes(8 << 20)`"),
        (Cache::builder().memory(Memory::entries(0)), "keeps nothing", "`Memory::entries(10_000)`"),
        (Cache::builder().memory(Memory::bytes(0)), "`Memory::bytes(0)` is too small", "`Memory::bytes(64 << 20)`"),
        (Cache::builder().memory(Memory::bytes(64)), "at least 65536", "`Memory::bytes(64 << 20)`"),
        (Cache::builder().redis_url("http://ada:hunter2@db"), "does not begin with", "write redis://"),
    ] {
        let refused = refused(builder);
        assert!(refused.contains(found) && refused.contains(cure), "{refused}");
        assert!(!refused.contains("hunter2") && !refused.contains("mistakes in"), "{refused}");
    }
    for memory in [Memory::entries(1), Memory::bytes(64 << 10), Memory::bytes(u64::MAX)] {
        Cache::builder().memory(memory).build().expect("a store that keeps something");
    }
}

#[test]
fn a_prefix_is_one_segment() {
    for (prefix, cure) in [
        ("prod:", "leave it out, write `prefix(\"prod\")`"),
        ("shop:eu", "write `prefix(\"shop-eu\")`"),
        ("shop:eu:", "write `prefix(\"shop-eu\")`"),
        (":", "leave the prefix out"),
        ("prod~acme", "reserved for tenants: write `prefix(\"prod-acme\")`"),
        ("a b", "contains ' ': use letters, digits, `-`, `_`, `.`; write `prefix(\"a-b\")`"),
        ("{shop}", "write `prefix(\"shop\")`"),
    ] {
        let refused = refused(memory().prefix(prefix));
        assert!(refused.contains(&format!("{prefix:?}")) && refused.contains(cure), "{refused}");
    }
    for prefix in ["", "prod", "shop-eu", "shop_eu.v2", "läden"] {
        memory().prefix(prefix).build().expect("a segment");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let urls = ["redis://a/", "http://ada:hunter2@db", "redis://b/2"];
    let refused =
        refused(memory().redis_cluster(urls).prefix("prod:").default_ttl(Duration::ZERO).jitter(2.0).max_refreshes(0));
    assert!(refused.starts_with("7 mistakes in the configuration: (1) 2 stores"), "{refused}");
    for part in [
        "(2) the default TTL",
        "(3) the jitter",
        "(4) the number of refreshes",
        "(5) the prefix",
        "the URL (2 of 3) is not",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert!(refused.contains("(7) the URL `redis://…` (3 of 3) has the number of a database"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn a_builder_does_not_print_its_url() {
    let shown = format!("{:?}", Cache::builder().redis_url("redis://:hunter2@db"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

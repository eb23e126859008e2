//! One of the processes that call while something breaks: reads and invalidations at a steady rate, whatever becomes of
//! those before, each written down when it has ended.
//!
//! `caller <cache url>[,<of another node>…] <origin url> [<degraded ttl in ms>]` says `ready` and is told, line by line:
//! `work` begins the calls; `rest` ends them, waits for those under way, and says `rested <tasks> <bytes> <pending>`, what
//! lives on in the process then; `rest <tasks>` does so once no more tasks live than that, and no invalidation is pending. It ends with its input. A call that panics ends it as a failure.

mod footprint;
mod functions;
mod origin;
mod work;

use std::io::BufRead;
use std::time::Duration;

use cache_runtime::Cache;
use support::{CALLER_BODIES, CALLER_DEADLINE, say};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::origin::Origin;

/// A call begins this often: enough that callers of a key meet, and a small part of what two busy cores can do. The rate
/// is fixed, because callers that wait for each other's end would hide how late a hung cache makes them all.
const PERIOD: Duration = Duration::from_millis(8);

/// One call in so many is an invalidation.
const INVALIDATIONS: f64 = 0.08;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (cache, origin, degraded_ttl) = match &args[..] {
        [cache, origin] => (cache, origin, None),
        [cache, origin, millis] => (cache, origin, Some(millis.parse().expect("milliseconds"))),
        _ => panic!("usage: caller <cache url> <origin url> [<degraded ttl in ms>]"),
    };
    install(cache, degraded_ttl.map(Duration::from_millis));
    let origin = Origin::connect(origin).await;
    let mut told = orders();
    say("ready");

    let (mut calls, mut works) = (JoinSet::new(), false);
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            order = told.recv() => match order.as_deref() {
                Some("work") => works = true,
                Some(rest) => {
                    works = false;
                    while let Some(ended) = calls.join_next().await {
                        ended.expect("no call panics");
                    }
                    let most = rest.strip_prefix("rest ").map(|most| most.parse().expect("a number of tasks"));
                    say(&footprint::rested(most).await);
                }
                None => return,
            },
            _ = ticks.tick(), if works => {
                let origin = origin.clone();
                if fastrand::f64() < INVALIDATIONS {
                    calls.spawn(work::invalidates(origin));
                } else {
                    calls.spawn(work::reads(origin));
                }
            }
            Some(ended) = calls.join_next() => ended.expect("no call panics"),
        }
    }
}

/// The cache as a service would have it, with bounds that the driver knows.
fn install(url: &str, degraded_ttl: Option<Duration>) {
    let nodes: Vec<&str> = url.split(',').collect();
    let cache = if nodes.len() > 1 { Cache::builder().redis_cluster(nodes) } else { Cache::builder().redis_url(url) };
    let cache = cache.deadline(CALLER_DEADLINE).outage_concurrency(CALLER_BODIES);
    let cache = match degraded_ttl {
        Some(ttl) => cache.degraded_ttl(ttl),
        None => cache,
    };
    cache.build().expect("the configuration is valid").install().expect("nothing is installed yet");
}

/// What the driver says; the end of it is the end of the input.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for order in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.send(order).is_err() {
                return;
            }
        }
    });
    told
}

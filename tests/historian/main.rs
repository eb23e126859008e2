//! One of the processes that make a history: reads through cached functions, writes to their origin, invalidations,
//! as fast and as mixed up as they come, each written down when it has ended.
//!
//! `historian <store> <cache url> <origin url>` says `ready` and works until its input ends. Then it lets what
//! is under way end, and ends itself. What it does for a living is in `variants`: a function more is a line more there.

mod link;
mod load;
mod store;
mod variants;
mod work;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use cache_runtime::Cache;
use futures_util::future::join_all;
use support::say;
use tokio::sync::watch;

use crate::link::Link;
use crate::load::Origin;
use crate::store::{Commits, OwnRedis};
use crate::work::Hand;

/// Tasks that read, and tasks that write, in one process: enough that callers of a key meet in it.
const READERS: u32 = 7;
const WRITERS: u32 = 2;

/// Far above any pause of the driver: a call that gives the store up shares runs by key alone, and then only the
/// invalidations of its own process count. That is documented, and not what a history is about.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [store, cache, origin] = &args[..] else {
        panic!("usage: historian <redis|own|careless> <cache url> <origin url>")
    };
    let builder = Cache::builder().deadline(DEADLINE).jitter(0.5);
    let builder = match store.as_str() {
        "redis" => builder.redis_url(cache),
        "own" => builder.store(OwnRedis::new(cache, Commits::UnderTheirLease)),
        "careless" => builder.store(OwnRedis::new(cache, Commits::Always)),
        other => panic!("unknown store `{other}`"),
    };
    builder.build().expect("the configuration is valid").install().expect("nothing is installed yet");

    let origin = Origin::connect(origin).await;
    let plain = Arc::new(Link::new(cache));
    let (stop, stopped) = watch::channel(false);
    say("ready");
    let hands = (0..READERS + WRITERS).map(|number| {
        let hand = Hand::new(origin.clone(), Arc::clone(&plain), stopped.clone());
        if number < READERS { tokio::spawn(hand.reads()) } else { tokio::spawn(hand.writes()) }
    });
    let hands: Vec<_> = hands.collect();
    std::thread::spawn(move || {
        // Nothing is ever sent: the input ends with the driver, whatever becomes of it.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.send_replace(true);
    });
    for ended in join_all(hands).await {
        ended.expect("no hand panics");
    }
}

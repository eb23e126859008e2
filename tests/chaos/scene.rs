//! A day: callers on one server, what befalls it, and how it ends.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use support::{Fault, Kind, Operation, Proxy, RedisCluster, RedisServer, monotonic, within};
use tokio::time::sleep;

use crate::crew::{Caller, Footprint, Log};

/// Nodes of a cluster that have keys.
const PRIMARIES: usize = 3;

/// Processes that call at the same time.
const CREW: u32 = 3;

/// How long the last of them serves what it loaded without the server, in milliseconds; the others do not.
const DEGRADED_TTL: &str = "500";

/// A process is back when so many operations in a row did not do without the server: more than it lets through while it
/// gives a server that is back a growing share of its calls.
const IN_A_ROW: usize = 60;

/// Connections are made and the long-lived values are there.
const WARM_UP: Duration = Duration::from_millis(600);

/// What is called undisturbed before the fault, and after it.
const STEADY: Duration = Duration::from_millis(600);

/// What the faults are made with: a server, the way to it, and plain commands for it.
pub(crate) struct Scene {
    pub(crate) server: RedisServer,
    /// The other nodes, where the server is one of a cluster: the primaries first.
    pub(crate) others: Vec<RedisServer>,
    pub(crate) proxy: Proxy,
    /// A server that took over, until the day is over.
    successor: Option<RedisServer>,
    client: MultiplexedConnection,
    begun: u64,
}

impl Scene {
    async fn set(arguments: &[&str], way: Way) -> Self {
        let mut others = match way {
            Way::Straight | Way::Proxied => vec![RedisServer::start_with(arguments).await],
            Way::Cluster => RedisCluster::start_with(PRIMARIES, arguments).await.nodes,
            Way::Replicated => RedisCluster::with_replicas(PRIMARIES).await.nodes,
        };
        let server = others.remove(0);
        let (proxy, client) = (Proxy::before(&server).await, server.client().await);
        Self { server, others, proxy, client, successor: None, begun: 0 }
    }

    /// What the callers are told: where there are several servers, all of them.
    fn url(&self, way: Way) -> String {
        match way {
            Way::Proxied => self.proxy.url(),
            Way::Straight => self.server.url(),
            Way::Cluster | Way::Replicated => {
                let nodes = [&self.server].into_iter().chain(&self.others);
                nodes.map(RedisServer::url).collect::<Vec<_>>().join(",")
            }
        }
    }

    /// Lets this befall the way to the server for so long.
    pub(crate) async fn befall(&self, fault: Fault, span: Duration) {
        self.proxy.befall(fault);
        sleep(span).await;
        self.proxy.befall(Fault::None);
    }

    /// What came so far were preparations.
    pub(crate) fn begins(&mut self) {
        self.begun = monotonic();
    }

    /// Sends the server what it will not answer in time.
    pub(crate) fn send(&self, words: &[&str]) {
        let (mut client, mut command) = (self.client.clone(), redis::cmd(words[0]));
        command.arg(&words[1..]);
        tokio::spawn(async move { command.query_async::<redis::Value>(&mut client).await });
    }

    /// Asks the server, over a connection of the test's own.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer = command.query_async(&mut self.client).await;
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Asks that for so long.
    pub(crate) async fn again_and_again(&mut self, span: Duration, every: Duration, words: &[&str]) {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.ask::<redis::Value>(words).await;
            sleep(every).await;
        }
    }

    /// Connects to a server that was restarted.
    pub(crate) async fn anew(&mut self) -> &mut Self {
        self.client = self.server.client().await;
        self
    }

    /// Keeps a server that took over.
    pub(crate) fn keep(&mut self, successor: RedisServer) {
        self.successor = Some(successor);
    }
}

/// The way from the callers to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Straight,
    Proxied,
    /// To a cluster, of which the server is one node.
    Cluster,
    /// To a cluster in which each node has a replica.
    Replicated,
}

/// When what happened, on the clock of the operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) begun: u64,
    pub(crate) over: u64,
    /// All processes were served from the cache again, and invalidated.
    pub(crate) recovered: u64,
}

/// What came of a day.
pub(crate) struct Day {
    pub(crate) history: Vec<Operation>,
    pub(crate) times: Times,
    /// What lived in the callers before the fault, and after it.
    pub(crate) footprints: Vec<(Footprint, Footprint)>,
}

/// How long a fault lasts.
pub(crate) fn span() -> Duration {
    let seconds = std::env::var("CHAOS_SECONDS").ok();
    let seconds = seconds.map(|seconds| seconds.parse().expect("CHAOS_SECONDS is a number"));
    seconds.map_or(SPAN, Duration::from_secs)
}

/// So long that a call which waits for it passes every bound, and that connections are given up and made anew.
const SPAN: Duration = Duration::from_millis(3_500);

/// Lets callers work on a server with these arguments, and the fault befall them.
pub(crate) async fn day(arguments: &[&str], way: Way, fault: impl AsyncFnOnce(&mut Scene, Duration)) -> Day {
    let (mut scene, origin) = (Scene::set(arguments, way).await, RedisServer::start().await);
    let url = scene.url(way);
    let (log, origin) = (Log::default(), origin.url());
    let arguments = [&*url, &origin, DEGRADED_TTL];
    let crew = (1..=CREW).map(|number| {
        // What is kept while a node of a cluster is down is not told from what the others serve.
        let keeps = number == CREW && matches!(way, Way::Straight | Way::Proxied);
        let arguments = if keeps { &arguments[..] } else { &arguments[..2] };
        Caller::start(arguments, format!("p{number}"), &log)
    });
    let mut crew = join_all(crew).await;

    work(&mut crew, WARM_UP).await;
    let before = join_all(crew.iter_mut().map(|caller| caller.rest(None))).await;
    work(&mut crew, STEADY).await;
    scene.begins();
    fault(&mut scene, span()).await;
    let over = monotonic();
    for caller in &crew {
        has_recovered(&log, &caller.name, over).await;
    }
    let recovered = monotonic();
    sleep(STEADY).await;

    let resting = crew.iter_mut().zip(&before).map(|(caller, before)| caller.rest(Some(before.tasks)));
    let after = join_all(resting).await;
    for caller in crew {
        caller.end().await;
    }
    let times = Times { begun: scene.begun, over, recovered };
    Day { history: log.take(), times, footprints: before.into_iter().zip(after).collect() }
}

async fn work(crew: &mut [Caller], span: Duration) {
    join_all(crew.iter_mut().map(Caller::work)).await;
    sleep(span).await;
}

/// Waits until a process that nobody restarted is served from the cache again, and invalidates, as if nothing had been.
async fn has_recovered(log: &Log, name: &str, over: u64) {
    let is_well = |operation: &Operation| {
        operation.start > over && operation.kind != Kind::Unconfirmed && !is_degraded(operation)
    };
    let recovered = async {
        loop {
            let latest = log.latest(name, IN_A_ROW);
            let has = |like_this: fn(&Operation) -> bool| latest.iter().any(like_this);
            if latest.iter().all(is_well) && has(is_hit) && has(|operation| operation.kind == Kind::Invalidate) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(&format!("{name} to hit and to invalidate after the fault"), recovered).await;
}

/// Whether a read was served by the server. One that was served while that is down was not: see [`is_copy`].
pub(crate) fn is_hit(operation: &Operation) -> bool {
    operation.kind == Kind::Read && operation.note.ends_with(" hit") && !is_copy(operation)
}

/// Whether a read was served with what its process keeps while the server is down.
pub(crate) fn is_copy(operation: &Operation) -> bool {
    operation.kind == Kind::Read && operation.note.ends_with(" down hit")
}

/// Whether a read did without the server.
pub(crate) fn is_degraded(operation: &Operation) -> bool {
    operation.kind == Kind::Read && operation.note.ends_with("degraded") || is_copy(operation)
}

//! What a user sees of the cache, in memory and on a real server.

mod breaker;
mod cluster;
mod commands;
mod configurations;
mod connections;
mod deadline;
mod degraded;
mod detached;
mod environment;
mod failing_origin;
mod foreign;
mod freshness;
mod harness;
mod holders;
mod implausible_leases;
mod invalidation;
mod leaks;
mod lies;
mod lock;
mod lost_answers;
mod memory;
mod memory_bounds;
mod nested;
mod outage;
mod pending;
mod prefixes;
mod processes;
mod puts;
mod recovery;
mod refused_writes;
mod round_trip;
mod runtimes;
mod scoped_caches;
mod scopes;
mod secrets;
mod served;
mod shapes;
mod shared_errors;
mod shed;
mod sizes;
mod templates;
mod tls;
mod unusable_bytes;
mod waiting;
mod without_runtime;

/// Lets a minute pass without waiting for it: events that are emitted once a minute are emitted again.
async fn pass_a_minute() {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    tokio::time::resume();
}

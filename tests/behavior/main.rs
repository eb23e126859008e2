//! What a user sees of the cache, in memory and on a real server.

mod breaker;
mod cluster;
mod commands;
mod configurations;
mod connections;
mod detached;
mod failing_origin;
mod freshness;
mod harness;
mod holders;
mod invalidation;
mod lies;
mod lock;
mod lost_answers;
mod memory;
mod outage;
mod owed;
mod processes;
mod runtimes;
mod scopes;
mod served;
mod sizes;
mod unusable_bytes;
mod waiting;
mod without_runtime;

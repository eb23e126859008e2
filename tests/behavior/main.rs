//! What a user sees of the cache, in memory and on a real server.

mod commands;
mod configurations;
mod connections;
mod failing_origin;
mod harness;
mod invalidation;
mod lies;
mod lock;
mod outage;
mod processes;
mod runtimes;
mod scopes;
mod served;
mod sizes;
mod unusable_bytes;
mod waiting;
mod without_runtime;

//! What a user sees of the cache, in memory and on a real server.

mod commands;
mod harness;
mod invalidation;
mod lock;
mod outage;
mod processes;
mod runtimes;
mod scopes;
mod served;
mod unusable_bytes;

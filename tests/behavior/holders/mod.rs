//! Holders that fail in every way they can, and leases that Redis loses under them: whoever waits comes to an answer, and
//! no value is stored for a lease that is gone. Two caches on one server share nothing but the server, as two processes
//! would; where a process itself has to die or to pause, `processes.rs` has a real one.

mod failing;
mod hanging;
mod limits;
mod lost;
mod own_key;
mod schedule;
mod unpolled;

use cache_runtime::Cache;
use support::{PATIENCE, RedisServer, built};

/// A cache that no busy machine makes go on without Redis.
fn patient_cache(server: &RedisServer) -> Cache {
    built(Cache::builder().redis_url(server.url()).deadline(PATIENCE))
}

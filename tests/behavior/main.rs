//! What a user sees of the cache, in memory and on a real server.

mod harness;

#![doc = include_str!("../README.md")]
//!
//! # Layout of this crate
//!
//! The attribute expands to a call into [`__private`], which resolves the plan of a call against its [`Cache`] and hands
//! it to `engine`: the read path, one async function, and its parts (single flight, fill, wait). The engine works on a
//! [`store`] under a deadline, through `entry` (the bytes and what they are worth) and `codec`. What can be decided
//! without I/O is a pure function: `policy`, `entry::classify`, `store`'s transitions. Only `store::redis` names the
//! client, only `clock` reads the time, only `observe` emits events.

mod cache;
mod clock;
mod codec;
mod engine;
mod entry;
mod error;
#[cfg(test)]
mod explore;
mod handle;
mod health;
mod key;
mod observe;
mod policy;
mod random;
mod report;
mod runtime;
mod scope;
mod sharded;
mod site;
pub mod store;
#[cfg(feature = "test-util")]
pub mod test_util;

#[doc(hidden)]
pub mod __private;

pub use cache_macros::{KeyPart, redis_cached};

pub use self::cache::{Cache, CacheBuilder, Shutdown};
#[cfg(feature = "bincode")]
pub use self::codec::Bincode;
#[cfg(feature = "json")]
pub use self::codec::Json;
#[cfg(feature = "postcard")]
pub use self::codec::Postcard;
pub use self::codec::{BuiltInCodec, Codec, CodecId, MessagePack, Shape};
pub use self::error::{Error, ErrorKind};
pub use self::handle::Entry;
pub use self::health::{Health, PendingInvalidations, Server, State, Sweep};
pub use self::key::{KeyPart, KeyWriter};
pub use self::report::{CacheStatus, CallReport, Outcome, Report};
pub use self::scope::{bypass, refresh, report};
pub use self::store::{Memory, Store};

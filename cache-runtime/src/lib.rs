//! Caching for async functions.

mod cache;
mod clock;
mod codec;
mod engine;
mod entry;
mod error;
mod handle;
mod key;
mod observe;
mod policy;
mod random;
mod report;
mod scope;
mod site;
pub mod store;

#[doc(hidden)]
pub mod __private;

pub use cache_macros::redis_cached;

pub use self::cache::{Cache, CacheBuilder};
pub use self::codec::{BuiltInCodec, Codec, CodecId, MessagePack};
#[cfg(feature = "bincode")]
pub use self::codec::Bincode;
#[cfg(feature = "json")]
pub use self::codec::Json;
#[cfg(feature = "postcard")]
pub use self::codec::Postcard;
pub use self::error::{Error, ErrorKind};
pub use self::handle::Entry;
pub use self::key::{KeyPart, KeyWriter};
pub use self::report::{CacheStatus, CallReport, Outcome, Report};
pub use self::scope::{bypass, refresh, report};
pub use self::store::{Memory, Store};

//! The read path.
//!
//! ```text
//! look ── fresh ───────────────────────────────────────────────▶ hit
//!  │ missing, pending, unusable, or the store failed
//! enter ── somebody here loads it ── wait ── value ────────────▶ coalesced
//!  │ lead
//! lease ── another process loads it ── follow ── value ────────▶ waited
//!  │ granted (or not to be had)
//! load: the user's function ── commit by token ────────────────▶ miss
//! ```
//!
//! All of it is the same code for every function and type: [`Call`] finds the next step, [`Read`] takes it, and `load` is
//! what the types add.

mod background;
mod call;
mod detached;
mod fill;
mod hooks;
mod kind;
mod late;
mod lease;
mod load;
mod read;
mod single_flight;
mod wait;
mod write;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::background::{Background, DEFAULT_REFRESHES};
pub(crate) use self::call::Call;
pub(crate) use self::detached::Detached;
pub use self::hooks::{FailureCoding, Hooked, Hooks, MadeOf, OrFail, hooks};
pub use self::kind::{
    CachesFailures, CachesNone, FailClosed, Fails, Fallible, FallibleOptional, Kind, Loaded, Optional, Output, Plain,
    Shared, Sharing, Value,
};
pub(crate) use self::read::Read;
use self::single_flight::SingleFlight;
use crate::clock::Timestamp;
use crate::codec::{Coding, Format};
use crate::entry::{self, Expected, Lookup, Schema, Sizes};
use crate::error::Error;
use crate::policy::Lock;
use crate::policy::freshness::Freshness;
use crate::site::Site;
use crate::store::{Backend, Budget};

/// The parts of a cache that calls work with.
pub(crate) struct Engine {
    pub(crate) backend: Backend,
    pub(crate) flights: Arc<SingleFlight>,
    pub(crate) format: Format,
    pub(crate) background: Arc<Background>,
    /// What all the cache steps of one call may take together.
    pub(crate) deadline: Duration,
    pub(crate) sizes: Sizes,
}

impl Engine {
    pub(crate) fn new(backend: Backend, format: Format, deadline: Duration, refreshes: usize, sizes: Sizes) -> Self {
        let (flights, background) = (Arc::new(SingleFlight::new()), Arc::new(Background::new(refreshes)));
        Self { backend, flights, format, background, deadline, sizes }
    }

    /// Runs one step on the store within the budget; the store hears of answers that do not come.
    fn step<'s, T>(
        &'s self,
        budget: &'s mut Budget,
        name: &'static str,
        step: Pin<&'s mut impl Future<Output = Result<T, Error>>>,
    ) -> impl Future<Output = Result<T, Error>> {
        budget.step(name, step, || self.backend.timed_out())
    }

    /// What the entry that the store has is worth.
    fn classify(&self, entry: Option<&[u8]>, key: &str, expected: Expected) -> Lookup {
        if entry.is_some_and(|entry| !self.sizes.allow(entry.len())) {
            return Lookup::Unusable("longer than `max_entry_bytes`");
        }
        entry::classify(entry, key, expected, Timestamp::now)
    }

    /// How `V` is coded under `C` here.
    pub(crate) fn schema<C: Coding, V: serde::de::DeserializeOwned>(&self, site: &Site) -> Schema {
        Schema { codec: C::id(self.format).number(), fingerprint: site.fingerprint::<V>() }
    }
}

/// What a call asks for: the function, the key, and its policy, resolved against the cache's defaults.
pub(crate) struct Request {
    pub(crate) site: &'static Site,
    pub(crate) key: String,
    pub(crate) ttl: Duration,
    pub(crate) jitter: f64,
    pub(crate) lock: Lock,
    pub(crate) freshness: Freshness,
    /// How long a caller waits for the function.
    pub(crate) timeout: Option<Duration>,
    /// How long a `None` is stored.
    pub(crate) none_ttl: Option<Duration>,
    /// How long an error is stored.
    pub(crate) err_ttl: Option<Duration>,
}

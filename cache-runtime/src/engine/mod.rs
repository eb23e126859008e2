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
mod blind;
mod call;
mod detached;
mod fill;
mod hooks;
mod join;
mod kind;
mod late;
mod lead;
mod lease;
mod load;
#[cfg(test)]
mod model;
mod outage;
mod owed;
mod read;
mod sight;
mod single_flight;
mod wait;
mod write;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

pub(crate) use self::background::{Background, DEFAULT_REFRESHES};
pub(crate) use self::call::Call;
pub(crate) use self::detached::Detached;
pub use self::hooks::{FailureCoding, Hooked, Hooks, MadeOf, OrFail, hooks};
pub use self::kind::{
    CachesFailures, CachesNone, FailClosed, Fails, Fallible, FallibleOptional, Kind, Loaded, Optional, Output, Plain,
    Shared, Sharing, TimesOut, Value,
};
pub(crate) use self::outage::Plan as OutagePlan;
use self::outage::{Asked, Outage};
use self::owed::Owed;
pub(crate) use self::read::Read;
use self::single_flight::SingleFlight;
use crate::codec::{Coding, Format};
use crate::entry::{self, Expected, Lookup, Schema, Sizes};
use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::policy::freshness::Freshness;
use crate::policy::{Failing, Lock};
use crate::site::Site;
use crate::store::{self, Backend, Budget};

/// The parts of a cache that calls work with.
pub(crate) struct Engine {
    pub(crate) backend: Backend,
    pub(crate) flights: Arc<SingleFlight>,
    pub(crate) format: Format,
    pub(crate) background: Arc<Background>,
    pub(crate) outage: Outage,
    pub(crate) owed: Owed,
    /// For tasks that do not keep a cache alive.
    this: Weak<Self>,
    /// What all the cache steps of one call may take together.
    pub(crate) deadline: Duration,
    pub(crate) sizes: Sizes,
}

impl Engine {
    pub(crate) fn new(backend: Backend, format: Format, limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            outage: Outage::new(limits.outage, backend.name()),
            backend,
            flights: Arc::new(SingleFlight::new()),
            format,
            background: Arc::new(Background::new(limits.refreshes)),
            owed: Owed::default(),
            this: Weak::clone(this),
            deadline: limits.deadline,
            sizes: limits.sizes,
        })
    }

    /// Runs one step on the server of this key within the budget. A server that is down is not asked; what comes of the
    /// others is counted.
    async fn step<T>(
        &self,
        budget: &mut Budget,
        name: &'static str,
        key: &str,
        mut step: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        let mut server = self.server(key);
        if server.is_shut() {
            self.probed(&server, key);
            return Err(server.shut());
        }
        let (mut late, mut sent_on) = (false, None);
        let step = pin!(poll_fn(|context| {
            let (answer, node) = store::sending_on(|| step.as_mut().poll(context));
            // Whoever sent it on answers, and is not to blame for what comes of it.
            sent_on = node.or(sent_on.take());
            answer
        }));
        let answer = budget.step(name, step, || late = true).await;
        if let Some(node) = sent_on {
            server = Asked::Node(node);
        }
        match &answer {
            // Nothing was asked, and nobody failed.
            Err(_) if Handle::try_current().is_err() => {}
            Err(error) if late || error.kind() == ErrorKind::Unavailable => {
                self.fails(&server, late);
                if server.failed(error) {
                    self.probed(&server, key);
                }
            }
            Err(error) if error.kind() == ErrorKind::BreakerOpen => self.probed(&server, key),
            _ => server.answered(),
        }
        answer
    }

    /// How the store fares.
    pub(crate) fn health(&self) -> Health {
        let (owed, owed_error) = self.owed.count();
        Health { servers: self.servers(), owed, owed_error, degraded: self.outage.degraded() }
    }

    /// What the entry that the store has is worth.
    fn classify(&self, entry: Option<&[u8]>, key: &str, expected: Expected) -> Lookup {
        if entry.is_some_and(|entry| !self.sizes.allow(entry.len())) {
            return Lookup::Unusable("longer than `max_entry_bytes`");
        }
        entry::classify(entry, key, expected, || self.backend.now(key))
    }

    /// How `V` is coded under `C` here.
    pub(crate) fn schema<C: Coding, V: serde::de::DeserializeOwned>(&self, site: &Site) -> Schema {
        Schema { codec: C::id(self.format).number(), fingerprint: site.fingerprint::<V>() }
    }
}

/// The bounds of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// What all the cache steps of one call may take together.
    pub(crate) deadline: Duration,
    /// How many refreshes run at once.
    pub(crate) refreshes: usize,
    pub(crate) outage: outage::Plan,
    pub(crate) sizes: Sizes,
}

/// What a call asks for: the function, the key, and its policy, resolved against the cache's defaults.
pub(crate) struct Request {
    pub(crate) site: &'static Site,
    pub(crate) key: String,
    pub(crate) ttl: Duration,
    pub(crate) jitter: f64,
    pub(crate) lock: Lock,
    pub(crate) freshness: Freshness,
    /// What becomes of a call that the store fails.
    pub(crate) failing: Failing,
    /// How long a caller waits for the function.
    pub(crate) timeout: Option<Duration>,
    /// How long a `None` is stored.
    pub(crate) none_ttl: Option<Duration>,
    /// How long an error is stored.
    pub(crate) err_ttl: Option<Duration>,
}

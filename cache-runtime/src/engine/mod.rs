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
mod flight;
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
mod pending;
mod read;
mod retry;
mod round_trip;
mod sight;
mod sole_task;
mod sweep;
mod wait;
mod write;
mod writing;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(crate) use self::background::{Background, DEFAULT_REFRESHES};
pub(crate) use self::call::Call;
pub(crate) use self::detached::Detached;
use self::flight::SingleFlight;
pub use self::hooks::{FailureCoding, Hooked, Hooks, MadeOf, OrFail, SharedErrors, errors_of, hooks};
pub use self::kind::{
    CachesFailures, CachesNone, FailClosed, Fails, Fallible, FallibleOptional, Kind, Loaded, Optional, Output, Plain,
    Shared, SharesErrors, Sharing, TimesOut, Value,
};
pub(crate) use self::outage::Plan as OutagePlan;
use self::outage::{Asked, Outage};
pub(crate) use self::pending::DEFAULT_PENDING_BYTES;
use self::pending::Pending;
pub(crate) use self::read::Read;
pub use self::round_trip::{Comparable, Compares, Found, Incomparable, RoundTrip};
use crate::cache::Constants;
use crate::codec::{Coding, Fingerprint, Format, Shape};
use crate::entry::{self, Defect, Expected, Lookup, Schema, Sizes};
use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::key;
use crate::policy::freshness::Freshness;
use crate::policy::{Failing, Lock};
use crate::site::Site;
use crate::store::{self, Backend, Budget};
use crate::{observe, runtime};

/// The parts of a cache that calls work with.
pub(crate) struct Engine {
    pub(crate) backend: Backend,
    pub(crate) flights: Arc<SingleFlight>,
    pub(crate) format: Format,
    pub(crate) background: Arc<Background>,
    pub(crate) outage: Outage,
    pub(crate) pending: Pending,
    /// What all keys begin with.
    prefix: Box<str>,
    /// For tasks that do not keep a cache alive.
    this: Weak<Self>,
    /// What all the cache steps of one call may take together.
    pub(crate) deadline: Duration,
    pub(crate) sizes: Sizes,
    /// Whether strings that this library did not write are overwritten.
    pub(crate) overwrites_foreign: bool,
}

impl Engine {
    pub(crate) fn new(backend: Backend, prefix: &str, format: Format, limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            outage: Outage::new(limits.outage, backend.name()),
            backend,
            flights: Arc::new(SingleFlight::new(limits.deadline)),
            format,
            background: Arc::new(Background::new(limits.refreshes)),
            pending: Pending::new(limits.pending_bytes),
            prefix: key::kept(prefix).into(),
            this: Weak::clone(this),
            deadline: limits.deadline,
            sizes: limits.sizes,
            overwrites_foreign: limits.overwrites_foreign,
        })
    }

    /// Runs one step on the server of this key within the budget. A server that is down is not asked; what comes of the
    /// others is counted.
    fn step<T>(
        &self,
        budget: &mut Budget,
        name: &'static str,
        key: &str,
        step: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> impl Future<Output = Result<T, Error>> {
        self.step_on(self.server(key), budget, (name, key), step)
    }

    /// Runs one step on this server.
    async fn step_on<T>(
        &self,
        mut server: Asked<'_>,
        budget: &mut Budget,
        (name, key): (&'static str, &str),
        mut step: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
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
            Err(error) if error.kind() == ErrorKind::Rejected && is_write(name) && !error.is_of_key() => {
                server.refused(name, error);
            }
            // Nothing was asked, and nobody failed.
            Err(_) if runtime::with_connections().is_err() => {}
            Err(error) if late || error.kind() == ErrorKind::Unavailable => {
                self.fails(&server, late);
                if server.failed(error) {
                    self.probed(&server, key);
                }
            }
            Err(error) if error.kind() == ErrorKind::BreakerOpen => self.probed(&server, key),
            _ => server.answered(name),
        }
        answer
    }

    /// A step of a call failed, and the call goes on without it. What an event has said of the server or of the runtime is
    /// not repeated for each call.
    fn step_failed(&self, site: &Site, key: &str, step: &'static str, error: &Error) {
        if error.kind() == ErrorKind::Rejected && self.server(key).refuses_writes() {
            return observe::write_refused(site, key, step, error);
        }
        if runtime::current().is_ok()
            && let Err(error) = runtime::with_connections()
        {
            return observe::runtime_of_no_use(site, key, &error);
        }
        observe::failed(site, key, step, error);
    }

    /// How the store fares.
    pub(crate) fn health(&self) -> Health {
        Health { servers: self.servers(), pending: self.pending.state(), degraded: self.outage.degraded() }
    }

    /// What the entry that the store has is worth.
    fn classify(&self, entry: Option<&[u8]>, key: &str, expected: Expected) -> Lookup {
        let is_foreign = entry.is_some_and(entry::is_foreign);
        if is_foreign && self.overwrites_foreign {
            return Lookup::Unusable(Defect::Foreign);
        }
        if !is_foreign && entry.is_some_and(|entry| !self.sizes.allow(entry.len())) {
            return Lookup::Unusable(Defect::TooLong);
        }
        entry::classify(entry, key, expected, || self.backend.now(key))
    }

    /// What a function of this value, and of these errors where it stores them, can read.
    pub(crate) fn expected<C: Coding, V>(&self, request: &Request, failure: Option<Fingerprint>) -> Expected
    where
        V: serde::de::DeserializeOwned,
    {
        let mut shape = request.shape;
        if shape == Shape::Compatible && !C::is_self_describing(self.format) {
            observe::keeps_to_exact(request.site, &request.key);
            shape = Shape::Exact;
        }
        Expected { value: self.schema::<C, V>(request.site), failure, shape }
    }

    /// How `V` is coded under `C` here.
    pub(crate) fn schema<C: Coding, V: serde::de::DeserializeOwned>(&self, site: &Site) -> Schema {
        Schema { codec: C::id(self.format).number(), ..Schema::default() }.of(site.fingerprint::<V>())
    }
}

/// Whether a step writes: a server can answer the others and refuse these.
fn is_write(step: &str) -> bool {
    !matches!(step, "get" | "watch" | "connect")
}

/// The bounds of a cache, and what it may overwrite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// What all the cache steps of one call may take together.
    pub(crate) deadline: Duration,
    /// How many refreshes run at once.
    pub(crate) refreshes: usize,
    pub(crate) outage: outage::Plan,
    pub(crate) sizes: Sizes,
    /// Whether strings that this library did not write are overwritten.
    pub(crate) overwrites_foreign: bool,
    /// What the keys of pending invalidations may take.
    pub(crate) pending_bytes: usize,
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
    /// Which shapes of the value's type are read.
    pub(crate) shape: Shape,
    /// How long a caller waits for the function.
    pub(crate) timeout: Option<Duration>,
    /// How long a `None` is stored.
    pub(crate) none_ttl: Option<Duration>,
    /// How long an error is stored.
    pub(crate) err_ttl: Option<Duration>,
    /// How the key template is written, where it has constants.
    pub(crate) constants: Option<Constants>,
}

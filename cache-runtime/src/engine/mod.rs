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
//! Everything but decoding and encoding is the same code for every function and type: [`Call`] finds the next step,
//! [`read`] is what a type adds.

mod call;
mod fill;
mod kind;
mod lease;
mod single_flight;
mod wait;
mod write;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::call::Call;
use self::call::Step;
use self::fill::{Ending, Fill};
pub use self::kind::{FailClosed, Fallible, FallibleOptional, Kind, Loaded, Optional, Plain, Value};
use self::single_flight::SingleFlight;
use crate::codec::{Coding, Format};
use crate::entry::{self, Schema};
use crate::error::Error;
use crate::policy::Lock;
use crate::site::Site;
use crate::store::{Backend, Budget};

/// The parts of a cache that calls work with.
pub(crate) struct Engine {
    pub(crate) backend: Backend,
    pub(crate) flights: Arc<SingleFlight>,
    pub(crate) format: Format,
    /// What all the cache steps of one call may take together.
    pub(crate) deadline: Duration,
}

impl Engine {
    pub(crate) fn new(backend: Backend, format: Format, deadline: Duration) -> Self {
        Self { backend, flights: Arc::new(SingleFlight::new()), format, deadline }
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
}

/// What a failing cache makes of a call: the function runs without it, or this is the function's error.
pub(crate) type Refusal<K> = Option<fn(Error) -> <K as Kind>::Output>;

/// Serves a call: from the store, from another caller, or from the function, whose future `body` runs at most once.
///
/// Dropping the future abandons the call: a lease it holds is given back, and who waits for it goes on.
pub(crate) async fn read<K, C, B>(call: &mut Call<'_>, body: Pin<&mut B>, refusal: Refusal<K>) -> K::Output
where
    K: Kind,
    C: Coding,
    B: Future<Output = K::Output>,
{
    loop {
        match call.next(refusal.is_some()).await {
            Step::Decode(found) => match C::decode::<K::Value>(call.format(), entry::payload(&found.bytes)) {
                Ok(value) => {
                    call.served(&found);
                    return K::hit(value);
                }
                Err(error) => call.cannot_use(&found, &error),
            },
            Step::Absent => {
                if let Some(output) = K::none() {
                    call.coalesced_none();
                    return output;
                }
            }
            Step::Load(run) => {
                let mut fill = Fill::new(call, run);
                let output = Box::pin(fill.run(body)).await;
                let ending = match K::loaded(&output) {
                    Loaded::Value(value) => fill.encode(|format, out| C::encode(format, value, out)),
                    Loaded::None => Ending::None,
                    Loaded::Failed => Ending::Failed,
                };
                Box::pin(fill.finish(ending)).await;
                return output;
            }
            Step::Refuse(error) => {
                if let Some(fail) = refusal {
                    return fail(error);
                }
            }
        }
    }
}

//! One run per key in this process: the first caller leads, the others wait for the value that its run lands.
//!
//! # Which runs a caller shares
//!
//! A caller that arrives after an invalidation may not get a value that was loaded before it. What a caller knows when it
//! arrives, and what a landing says about itself, decide that: see [`Arrival::accepts`].
//!
//! # The next run
//!
//! A caller that cannot prove anything about the run under way, because the store refused it a lease or did not answer it,
//! may only share a run that starts after its arrival. It does not start that run at once: it leads a flight that starts
//! when the run under way is over ([`Lead::comes_next`]), and everybody who arrives meanwhile joins this flight. So the
//! runs of a key follow each other, and callers that are spread over the time of one run share the next one.
//!
//! # Runs that fail, and runs that do not end
//!
//! The callers that wait for a run that fails try again in groups: one run, then two at a time, four, eight ([`Group`]).
//! So do the callers that have waited for a run up to their limit. A caller that has left a run in this way still takes
//! its value, should the run land one after all ([`Lead::land`]).
//!
//! # Leaders that are not polled
//!
//! A future can be kept without being polled. Before its function runs, a leader has said by when it will have made
//! progress: the steps of a call have a deadline. A leader that is overdue is passed: nobody joins its flight, those who
//! wait leave it, and the next leader may displace the lease that the overdue one asked for. Once the function runs, the
//! limit of the waiting callers applies.
//!
//! Values travel encoded, so that no type needs `Clone`, and each caller decodes its own.

mod evidence;
mod group;
mod leader;
mod registry;
mod seat;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use self::evidence::{Arrival, Evidence, Landing, Moment, Reach};
pub(crate) use self::group::Group;
pub(crate) use self::leader::{Lead, Limit};
pub(crate) use self::registry::{Caller, Enter, SingleFlight};
pub(crate) use self::seat::{Patience, Seat, Waited};

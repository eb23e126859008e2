//! One call.

use cache_runtime::{Cache, Health, State, report};
use support::{Begun, Kind};

use crate::functions::{FUNCTIONS, Function};
use crate::origin::Origin;

/// Keys of each function. The first is never invalidated: whatever makes two bodies of it run at once is no invalidation.
const KEYS: usize = 3;

/// A function and a key that is read through it.
struct Place {
    function: &'static Function,
    key: String,
}

impl Place {
    fn of(first: usize) -> Self {
        let function = &FUNCTIONS[fastrand::usize(..FUNCTIONS.len())];
        Self { function, key: format!("{}-{}", function.name, fastrand::usize(first..KEYS)) }
    }
}

pub(crate) async fn reads(origin: Origin) {
    let Place { function, key } = Place::of(0);
    let begun = Begun::now();
    let (returned, report) = report((function.read)(&origin, &key)).await;
    let outcome = report.calls().iter().map(|call| call.outcome().to_string()).collect::<Vec<_>>().join(" ");
    let outcome = format!("{} {outcome}", state(&Cache::current().health()));
    match returned {
        Ok(value) if value.key == key => begun.ended(Kind::Read, &key, value.version, &outcome),
        Ok(value) => begun.ended(Kind::Failed, &key, value.version, &format!("{outcome}, the value of {}", value.key)),
        Err(error) => begun.ended(Kind::Failed, &key, 0, &format!("{outcome}, {error:?}")),
    }
}

/// How the servers are: a cluster of which one node is down is neither.
fn state(health: &Health) -> String {
    let parted = health.state() != State::Up && health.servers().iter().any(|server| server.state() == State::Up);
    if parted { "parted".to_owned() } else { health.state().to_string() }
}

pub(crate) async fn invalidates(origin: Origin) {
    let Place { function, key } = Place::of(1);
    let begun = Begun::now();
    let version = origin.write(&key).await;
    match (function.invalidate)(&key).await {
        Ok(()) => begun.ended(Kind::Invalidate, &key, version, "-"),
        Err(error) => begun.ended(Kind::Unconfirmed, &key, version, &error.to_string()),
    }
}

//! What the program `caller` and the tests that drive it must agree on.

use std::time::Duration;

/// The deadline of a caller's cache: a call that waits for a hung server takes twenty times as long, and a busy machine
/// seldom makes that much difference.
pub const CALLER_DEADLINE: Duration = Duration::from_millis(200);

/// How many bodies a caller runs at once while its server is down: less than it would without a bound.
pub const CALLER_BODIES: usize = 3;

/// How long a call of a caller waits at most for the load of another process; the arguments of its functions say so too.
pub const CALLER_LOCK_WAIT: Duration = Duration::from_millis(300);

//! A background task of which a cache has one at a time, while there is something for it to do.
//!
//! It holds a [`Claim`], which goes with it: also when its runtime shuts down. It does not keep the cache alive.

use std::future::Future;
use std::sync::Weak;

use super::Engine;
use crate::runtime;
use crate::store::Claim;

/// The hold of such a task on its claim. Dropped, it lets another one start.
pub(super) struct SoleTask {
    engine: Weak<Engine>,
    claim: fn(&Engine) -> &Claim,
}

impl SoleTask {
    /// Starts the task in the runtime that the caller is in, unless there is one already.
    pub(super) fn ensure<T>(engine: &Engine, claim: fn(&Engine) -> &Claim, task: impl FnOnce(Self) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let Ok(runtime) = runtime::with_timers() else { return };
        if claim(engine).take(std::time::Duration::ZERO) {
            runtime.spawn(task(Self { engine: Weak::clone(&engine.this), claim }));
        }
    }

    pub(super) fn engine(&self) -> &Weak<Engine> {
        &self.engine
    }

    /// Ends the task, which has given its claim up already: another one may have it by now.
    pub(super) fn leaves(mut self) {
        self.engine = Weak::new();
    }
}

impl Drop for SoleTask {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade() {
            (self.claim)(&engine).give_up();
        }
    }
}

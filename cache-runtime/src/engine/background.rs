//! What runs without a caller that drives it: refreshes, and bodies with tasks of their own. All of it is counted, so
//! that a shutdown can wait for it, and refreshes are bounded, so that a burst of stale values does not become a burst
//! of loads.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::runtime;

/// How many refreshes a cache runs at once when nobody says otherwise: a stale value is served meanwhile, so a queue is
/// not needed, and an origin should hardly notice that its cache is refreshed. Raising it refreshes bursts sooner and
/// loads the origin more.
pub(crate) const DEFAULT_REFRESHES: usize = 64;

/// The tasks of a cache.
#[derive(Debug)]
pub(crate) struct Background {
    permits: Arc<Semaphore>,
    closed: AtomicBool,
    next: AtomicU64,
    /// The tasks that run, by their number; those that may be stopped with their handle.
    tasks: Mutex<HashMap<u64, Option<AbortHandle>>>,
    running: watch::Sender<usize>,
}

impl Background {
    pub(crate) fn new(refreshes: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(refreshes)),
            closed: AtomicBool::new(false),
            next: AtomicU64::new(0),
            tasks: Mutex::default(),
            running: watch::channel(0).0,
        }
    }

    /// Room for one more refresh; none where the bound is reached or the cache is shutting down.
    pub(crate) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if self.is_closed() {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Whether new bodies may have tasks of their own.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs a refresh, which a shutdown may stop.
    pub(crate) fn refresh(
        self: &Arc<Self>,
        runtime: &Handle,
        permit: OwnedSemaphorePermit,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let running = self.enter();
        let number = running.number;
        let task = runtime.spawn(
            async move {
                let _held = (running, permit);
                work.await;
            }
            .in_current_span(),
        );
        if let Some(handle) = self.tasks().get_mut(&number) {
            *handle = Some(task.abort_handle());
        }
    }

    /// Runs a body that a caller waits for, or once waited for: it is never stopped.
    pub(crate) fn run(self: &Arc<Self>, runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
        let running = self.enter();
        runtime.spawn(
            async move {
                let _held = running;
                work.await;
            }
            .in_current_span(),
        );
    }

    /// Starts nothing more, waits until all is done, and after `patience` stops the refreshes; where there are no timers to
    /// wait with, it stops them at once. Returns how many tasks were not done.
    pub(crate) async fn shut_down(&self, patience: Duration) -> usize {
        self.closed.store(true, Ordering::Release);
        let mut running = self.running.subscribe();
        if runtime::with_timers().is_ok() {
            let _ = tokio::time::timeout(patience, running.wait_for(|running| *running == 0)).await;
        }
        if *running.borrow() == 0 {
            return 0;
        }
        let tasks = self.tasks();
        tasks.values().flatten().for_each(AbortHandle::abort);
        tasks.len()
    }

    fn enter(self: &Arc<Self>) -> Running {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.tasks().insert(number, None);
        self.running.send_modify(|running| *running += 1);
        Running { background: Arc::clone(self), number }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<u64, Option<AbortHandle>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that runs, however it ends.
struct Running {
    background: Arc<Background>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.background.tasks().remove(&self.number);
        self.background.running.send_modify(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_waits_for_what_runs_and_stops_refreshes_that_do_not_end() {
        let background = Arc::new(Background::new(2));
        let runtime = Handle::current();
        let permit = || background.permit().expect("there is room");
        background.run(&runtime, tokio::time::sleep(Duration::from_secs(1)));
        background.refresh(&runtime, permit(), tokio::time::sleep(Duration::from_secs(2)));
        assert_eq!(background.shut_down(Duration::from_secs(3)).await, 0);
        assert!(background.permit().is_none(), "nothing starts any more");

        let background = Arc::new(Background::new(1));
        let stopped = Arc::new(());
        let held = Arc::clone(&stopped);
        background.refresh(&runtime, background.permit().expect("there is room"), async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        assert!(background.permit().is_none(), "the bound is reached");
        assert_eq!(background.shut_down(Duration::from_secs(1)).await, 1);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&stopped), 1, "the refresh is gone");
        assert_eq!(background.shut_down(Duration::from_secs(1)).await, 0);
    }
}

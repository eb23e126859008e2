//! The time that one call may spend on the cache: a hung store costs a caller no more than this.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::error::{Error, ErrorKind};

/// What all the cache steps of one call may take together. It runs from the first step on, and stands still while the
/// call waits for another caller's load or for the user's function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    whole: Duration,
    /// When it is spent; unknown before the first step, so that a call which needs none reads no clock.
    until: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { whole: deadline, until: None }
    }

    /// Runs one step. A step that does not end in time is dropped: it may have happened or not; `late` hears of it.
    ///
    /// A step that ends without waiting, as those of an in-process store do, needs neither clock nor timer.
    pub(crate) async fn step<T>(
        &mut self,
        name: &'static str,
        mut step: Pin<&mut impl Future<Output = Result<T, Error>>>,
        mut late: impl FnMut(),
    ) -> Result<T, Error> {
        if self.until.is_some_and(|until| until <= clock::now()) {
            return Err(self.spent(name));
        }
        let mut timer = pin!(None);
        poll_fn(|context| {
            if let Poll::Ready(answer) = step.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            if timer.is_none() {
                let until = *self.until.get_or_insert_with(|| clock::now() + self.whole);
                timer.set(Some(tokio::time::sleep_until(until)));
            }
            let Some(timer) = timer.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            timer.poll(context).map(|()| {
                late();
                Err(self.spent(name))
            })
        })
        .await
    }

    /// What a step comes to when the time is up.
    fn spent(&self, name: &'static str) -> Error {
        Error::new(ErrorKind::Timeout, format!("the store did not answer `{name}` within {:?}", self.whole))
    }

    /// Waits for something that is not the store's to answer: the budget stands still.
    pub(crate) async fn pause<F: Future>(&mut self, waiting: F) -> F::Output {
        let paused = clock::now();
        let output = waiting.await;
        self.refund(paused);
        output
    }

    /// Takes the time since then for not spent.
    pub(crate) fn refund(&mut self, since: Instant) {
        self.until = self.until.map(|until| until + (clock::now() - since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_share_one_budget() {
        let mut budget = Budget::new(Duration::from_millis(100));
        let slow = pin!(async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(7)
        });
        let late = std::cell::Cell::new(0);
        let count = || late.set(late.get() + 1);
        assert_eq!(budget.step("get", slow, count).await.expect("in time"), 7);
        budget.pause(tokio::time::sleep(Duration::from_secs(9))).await;
        let started = clock::now();
        let hung = pin!(std::future::pending::<Result<(), _>>());
        let error = budget.step("lease", hung, count).await.expect_err("hung");
        assert!(error.is_timeout(), "{error}");
        assert_eq!((clock::now() - started).as_millis(), 40, "what was left of 100 ms");
        let hung = pin!(std::future::pending::<Result<(), _>>());
        budget.step("commit", hung, count).await.expect_err("the budget is spent");
        assert_eq!((clock::now() - started).as_millis(), 40, "no step waits once it is spent");
        assert_eq!(late.get(), 1, "one step was waited for and did not answer");
    }
}

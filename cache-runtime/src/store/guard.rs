//! The time that one call may spend on the cache: a hung store costs a caller no more than this.

use std::future::Future;
use std::time::Duration;

use crate::clock;
use crate::error::{Error, ErrorKind};

/// What all the cache steps of one call may take together. Waiting for another caller's load does not count, nor does
/// the user's function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    left: Duration,
    whole: Duration,
}

impl Budget {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { left: deadline, whole: deadline }
    }

    /// Runs one step, and takes its time from the budget. A step that does not end in time is dropped.
    ///
    /// A store answers after the deadline with an error, and never again in this call: the budget is spent.
    pub(crate) async fn step<T>(
        &mut self,
        name: &'static str,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let started = clock::now();
        let answer = tokio::time::timeout_at(started + self.left, step).await;
        self.left = self.left.saturating_sub(clock::now() - started);
        answer.unwrap_or_else(|_| {
            self.left = Duration::ZERO;
            Err(Error::new(ErrorKind::Timeout, format!("the store did not answer `{name}` within {:?}", self.whole)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_share_one_budget() {
        let mut budget = Budget::new(Duration::from_millis(100));
        let slow = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(7)
        };
        assert_eq!(budget.step("get", slow).await.expect("in time"), 7);
        let started = clock::now();
        let error = budget.step("lease", std::future::pending::<Result<(), _>>()).await.expect_err("hung");
        assert!(error.is_timeout(), "{error}");
        assert_eq!((clock::now() - started).as_millis(), 40, "what was left of 100 ms");
    }
}

//! Repeats the removals of the keys whose invalidations are pending: before a read of such a key, and by a task.
//!
//! The task goes through the keys in rounds, with a growing pause between them while none gets through. Removals are
//! under way concurrently, so that a connection carries many at once. A server that does not answer gets nothing more in
//! that round, and the other nodes of a cluster do; a key that is refused says nothing about the others.

use std::pin::pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Engine;
use super::outage::Asked;
use super::pending::{Failure, Pairs};
use super::sole_task::SoleTask;
use crate::error::{Error, ErrorKind};
use crate::policy::breaker::pause;
use crate::store::{Budget, Store};
use crate::{observe, random};

/// How many removals are under way at once: enough to fill a connection, few enough that a server which has just come
/// back is busy with other things too. Raising it gets through a long outage's keys sooner.
const CONCURRENT: usize = 64;

/// How many keys are taken out of the set at a time. A full page of which every key is refused ends a round, so this is
/// also what a server that refuses everything is asked in one round. The next round begins after that page.
const PAGE: usize = 1_024;

/// What became of a removal.
enum Tried<'e> {
    Settled,
    /// The server does not want to remove this key.
    Refused,
    /// The server did not answer.
    Failed(Asked<'e>),
}

/// What the removals of one page came to.
#[derive(Default)]
struct Tally {
    settled: usize,
    refused: usize,
}

impl Engine {
    /// Repeats the pending invalidation of a key before the key is read.
    pub(super) async fn invalidate_first(&self, budget: &mut Budget, key: &str) -> Result<(), Error> {
        // The task goes with its runtime: whoever meets what it left starts another one.
        self.ensure_retrying();
        let failure = self.pending.failure(key);
        self.step(budget, "remove", key, pin!(self.backend.remove(key))).await?;
        self.pending.settled(key, failure);
        Ok(())
    }

    /// Ensures that a task repeats the removals.
    pub(super) fn ensure_retrying(&self) {
        SoleTask::ensure(self, |engine| &engine.pending.retrying, retry);
    }

    /// Repeats the removals of all keys that are kept, from the one after `after`, which is then the last key of the round:
    /// none if the round came to the end. Returns whether a removal got through.
    pub(super) async fn retry_round(&self, after: &mut Option<Box<str>>) -> bool {
        let (mut progressed, mut failing) = (false, Vec::new());
        loop {
            let page = self.pending.kept_after(after.as_deref(), PAGE);
            let is_full = page.len() == PAGE;
            *after = page.last().filter(|_| is_full).map(|(key, _)| key.clone());
            let tally = self.retry_page(page, &mut failing).await;
            progressed |= tally.settled > 0;
            if !is_full || (tally.settled == 0 && tally.refused > 0) {
                return progressed;
            }
            // A page of which nothing is sent waits for nothing.
            tokio::task::yield_now().await;
        }
    }

    /// Repeats the removals until no key is kept.
    pub(super) async fn retry_all(&self) {
        let (mut after, mut attempt) = (None, 0);
        while !self.pending.ends_retrying() {
            if self.retry_round(&mut after).await {
                attempt = 0;
            } else {
                tokio::time::sleep(pause(attempt, random::unit())).await;
                attempt = attempt.saturating_add(1);
            }
        }
    }

    async fn retry_page<'e>(&'e self, page: Pairs, failing: &mut Vec<Asked<'e>>) -> Tally {
        let (mut tally, mut under_way) = (Tally::default(), FuturesUnordered::new());
        let mut count = |tried, failing: &mut Vec<Asked<'e>>| match tried {
            Tried::Settled => tally.settled += 1,
            Tried::Refused => tally.refused += 1,
            Tried::Failed(server) => failing.push(server),
        };
        for (key, failure) in page {
            if under_way.len() == CONCURRENT
                && let Some(tried) = under_way.next().await
            {
                count(tried, failing);
            }
            let server = self.server(&key);
            if !failing.iter().any(|failed| failed.is_same(&server)) {
                under_way.push(self.retry_key(server, key, failure));
            }
        }
        while let Some(tried) = under_way.next().await {
            count(tried, failing);
        }
        tally
    }

    async fn retry_key<'e>(&'e self, server: Asked<'e>, key: Box<str>, failure: Failure) -> Tried<'e> {
        self.pending.retrying.renew(self.deadline);
        let remove = pin!(self.backend.remove(&key));
        match self.step(&mut Budget::new(self.deadline), "remove", &key, remove).await {
            Ok(()) => {
                self.pending.settled(&key, Some(failure));
                observe::pending_settled(&key);
                Tried::Settled
            }
            Err(error) => {
                self.pending.failed_again(&error);
                if error.kind() == ErrorKind::Rejected { Tried::Refused } else { Tried::Failed(server) }
            }
        }
    }
}

async fn retry(task: SoleTask) {
    let (mut after, mut attempt) = (None, 0);
    loop {
        let pause = pause(attempt, random::unit());
        if let Some(engine) = task.engine().upgrade() {
            engine.pending.retrying.renew(pause);
        }
        tokio::time::sleep(pause).await;
        let Some(engine) = task.engine().upgrade() else { return };
        let progressed = engine.retry_round(&mut after).await;
        if engine.pending.ends_retrying() {
            return task.leaves();
        }
        attempt = if progressed { 0 } else { attempt.saturating_add(1) };
    }
}

//! State by key behind several locks, so that callers of different keys rarely meet.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Enough that the threads of a large machine seldom want the same one.
const SHARDS: usize = 32;

/// Several `T`s, each behind its lock; a key always means the same one.
#[derive(Debug)]
pub(crate) struct Sharded<T> {
    shards: Box<[Mutex<T>]>,
    hasher: RandomState,
}

impl<T: Default> Sharded<T> {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// Acts on one after the other.
    pub(crate) fn each(&self, mut act: impl FnMut(&mut T)) {
        for shard in &self.shards {
            act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The state that `key` is in. Nothing panics while it is locked, so a poisoned lock is still whole.
    pub(crate) fn lock(&self, key: &str) -> MutexGuard<'_, T> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

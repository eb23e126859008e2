//! The keys of pending invalidations, up to a bound of bytes.
//!
//! A B-tree, for two reasons. It grows node by node, where a hash table holds two tables while it grows and keeps every
//! reader of a pending key waiting meanwhile. And it is ordered, so that a task can go through it page by page while keys
//! come and go.

use std::collections::BTreeMap;
use std::ops::Bound;

/// What a key takes beside its bytes: a node of the tree is 280 bytes or, with children, 376 for at least 5 keys, which
/// comes to 57 for each key at the worst; an allocation is rounded up to 16 bytes, and its length takes 8.
const OVERHEAD: usize = 64 + 24;

/// Which failure of an invalidation, of all keys. A removal settles the failure that was pending when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Failure(u64);

/// Keys, and which failure made them pending.
pub(in crate::engine) type Pairs = Vec<(Box<str>, Failure)>;

/// The keys that are kept.
pub(super) struct Kept {
    keys: BTreeMap<Box<str>, Failure>,
    bytes: usize,
    bound: usize,
    failures: u64,
}

impl Kept {
    pub(super) fn new(bound: usize) -> Self {
        Self { keys: BTreeMap::new(), bytes: 0, bound, failures: 0 }
    }

    pub(super) fn bound(&self) -> usize {
        self.bound
    }

    /// Keeps a key for a failure of its invalidation. Returns whether there is room for it.
    pub(super) fn insert(&mut self, key: &str) -> bool {
        self.failures += 1;
        let failure = Failure(self.failures);
        if let Some(known) = self.keys.get_mut(key) {
            *known = failure;
            return true;
        }
        let cost = key.len() + OVERHEAD;
        if self.bytes + cost > self.bound {
            return false;
        }
        self.bytes += cost;
        self.keys.insert(key.into(), failure);
        true
    }

    /// Forgets a key, unless its invalidation has failed again since.
    pub(super) fn remove(&mut self, key: &str, failure: Failure) {
        if self.get(key) == Some(failure) {
            self.keys.remove(key);
            self.bytes -= key.len() + OVERHEAD;
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Failure> {
        self.keys.get(key).copied()
    }

    /// The first keys after this one.
    pub(super) fn after(&self, key: Option<&str>, count: usize) -> Pairs {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.keys.range::<str, _>((from, Bound::Unbounded));
        keys.take(count).map(|(key, failure)| (key.clone(), *failure)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_while_there_is_room_and_make_room_when_they_go() {
        let mut kept = Kept::new(2 * (3 + OVERHEAD));
        assert!(kept.insert("one") && kept.insert("two") && !kept.insert("six"));
        assert!(kept.insert("two"), "a key that is kept needs no more room");
        kept.remove("one", Failure(1));
        assert!(kept.insert("six"));
        assert_eq!((kept.len(), kept.get("one")), (2, None));
        for key in ["two", "six"] {
            let failure = kept.get(key).expect("it is kept");
            kept.remove(key, failure);
        }
        assert!(kept.is_empty() && kept.bytes == 0);
    }

    #[test]
    fn pages_go_through_all_keys_in_order_while_keys_come_and_go() {
        let mut kept = Kept::new(usize::MAX);
        assert!(["a", "b", "c", "d"].iter().all(|key| kept.insert(key)));
        let keys = |pairs: &Pairs| pairs.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>();
        let first = kept.after(None, 2);
        assert_eq!(keys(&first), ["a", "b"]);
        kept.remove("b", first[1].1);
        assert_eq!(keys(&kept.after(Some("b"), 9)), ["c", "d"]);
        assert!(kept.after(Some("d"), 9).is_empty());
    }
}

//! The values of an in-process store: a map that is bounded by what its entries cost, least useful ones leaving first.
//!
//! The map is `quick_cache`'s, which is divided into shards. A shard drops what is larger than itself without a word, so
//! shards are few and large, and what a shard cannot keep is refused before it gets there.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};

use super::Stored;
use crate::clock::Instant;

/// The least bytes of a shard, so that every store of a few of them keeps entries of the default `max_entry_bytes`.
/// Lowering it lets more threads in at once, and keeps long values out.
const SHARD_BYTES: u64 = 16 << 20;

/// The fewest entries of a shard: a few keys must not push each other out while other shards are empty.
const SHARD_ENTRIES: u64 = 64;

/// The most shards: enough for the threads of a large machine.
const MOST_SHARDS: u64 = 64;

/// How many of the bytes of a store make one of the entries that it is laid out for: the keys of half as many entries as
/// that are remembered when they have left, to know them again.
const TYPICAL_ENTRY: u64 = 512;

/// What bounds the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Entries(u32),
    Bytes(u64),
}

/// The store's bound, as its name has it.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Entries(count) => write!(f, "{count} entries"),
            Self::Bytes(bytes) if bytes % (1 << 20) == 0 => write!(f, "{} MiB", bytes >> 20),
            Self::Bytes(bytes) if bytes % (1 << 10) == 0 => write!(f, "{} KiB", bytes >> 10),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
        }
    }
}

impl Bound {
    /// The most that one entry may cost: half of the store, and three quarters of its shard. Shards have no more than a
    /// few percent beyond that.
    pub(super) fn largest(self) -> u64 {
        match self {
            Self::Entries(_) => u64::MAX,
            Self::Bytes(bytes) => (bytes / 2).min(bytes / self.shards() / 4 * 3),
        }
    }

    fn shards(self) -> u64 {
        let most = match self {
            Self::Entries(count) => u64::from(count) / SHARD_ENTRIES,
            Self::Bytes(bytes) => bytes / SHARD_BYTES,
        };
        let most = most.clamp(1, MOST_SHARDS);
        // The map rounds up to a power of two.
        1 << most.ilog2()
    }

    /// The number of entries that the map is laid out for.
    fn entries(self) -> u64 {
        match self {
            Self::Entries(count) => u64::from(count),
            Self::Bytes(bytes) => bytes / TYPICAL_ENTRY,
        }
    }

    /// What all entries together may weigh. The map rounds up what a shard has of it.
    fn capacity(self) -> u64 {
        let capacity = match self {
            Self::Entries(count) => u64::from(count),
            Self::Bytes(bytes) => bytes,
        };
        capacity - capacity % self.shards()
    }
}

/// What an entry costs in bytes, in all.
pub(super) fn cost(key: usize, entry: usize) -> u64 {
    allocated(key + entry) + allocated(size_of::<Arcs<Kept>>()) + allocated(COUNT) + PLACE
}

/// What an [`Arc`] allocates: two counts, and the value.
#[expect(dead_code, reason = "it is there for its size")]
struct Arcs<T>(usize, usize, T);

/// What `Bytes` allocates beside the bytes: the buffer's address and capacity, and the count of who has it.
const COUNT: usize = 3 * size_of::<usize>();

/// What a place in the map costs on average. It is 32 bytes and five in the index; both grow by doubling, and places are
/// also taken by the entries that left and are remembered.
const PLACE: u64 = 72;

/// What a request for memory takes: the common allocators add a word, or round up to classes that are as far apart.
fn allocated(bytes: usize) -> u64 {
    (bytes + size_of::<usize>()).next_multiple_of(16).max(32) as u64
}

#[derive(Clone)]
struct Weight(Bound);

impl Weighter<Key, Arc<Kept>> for Weight {
    fn weight(&self, _: &Key, kept: &Arc<Kept>) -> u64 {
        match self.0 {
            Bound::Entries(_) => 1,
            Bound::Bytes(_) => cost(kept.key_len, kept.bytes.len() - kept.key_len),
        }
    }
}

/// An entry behind its key, in a piece of memory of exactly their length.
struct Kept {
    bytes: Bytes,
    key_len: usize,
    expires: Instant,
}

impl Kept {
    fn new(key: &str, stored: &Stored) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + stored.bytes.len());
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&stored.bytes);
        let bytes = Bytes::from(bytes);
        // The first clone allocates the count of all: here, where it is part of the cost, and not in a hit.
        drop(bytes.clone());
        Self { bytes, key_len: key.len(), expires: stored.expires }
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len]
    }

    fn stored(&self) -> Stored {
        Stored { bytes: self.bytes.slice(self.key_len..), expires: self.expires }
    }
}

/// The key in an entry.
#[derive(Clone)]
struct Key(Arc<Kept>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Sought(self.0.key()).hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for Key {}

/// A key that is looked for.
#[derive(Hash)]
struct Sought<'k>(&'k [u8]);

impl Equivalent<Key> for Sought<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0.key()
    }
}

/// The values.
pub(super) struct Values {
    map: Cache<Key, Arc<Kept>, Weight>,
    pub(super) bound: Bound,
}

impl Values {
    pub(super) fn new(bound: Bound) -> Self {
        let entries = usize::try_from(bound.entries()).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(bound.shards()).unwrap_or(1))
            .estimated_items_capacity(entries)
            .weight_capacity(bound.capacity())
            .build();
        let map = match options {
            Ok(options) => {
                Cache::with_options(options, Weight(bound), DefaultHashBuilder::default(), DefaultLifecycle::default())
            }
            // Only options that were not set make an error.
            Err(_) => Cache::with_weighter(entries, bound.capacity(), Weight(bound)),
        };
        Self { map, bound }
    }

    pub(super) fn get(&self, key: &str) -> Option<Stored> {
        self.map.get(&Sought(key.as_bytes())).map(|kept| kept.stored())
    }

    /// Puts a value there. One that costs more than the [largest](Bound::largest) may be dropped at once.
    pub(super) fn insert(&self, key: &str, stored: &Stored) {
        let kept = Arc::new(Kept::new(key, stored));
        self.map.insert(Key(Arc::clone(&kept)), kept);
    }

    pub(super) fn remove(&self, key: &str) {
        self.map.remove(&Sought(key.as_bytes()));
    }

    /// Removes the values whose keys do not pass.
    pub(super) fn retain(&self, passes: impl Fn(&str) -> bool) {
        self.map.retain(|key, _| passes(std::str::from_utf8(key.0.key()).unwrap_or_default()));
    }

    /// The keys that begin with this prefix.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let keys = self.map.iter().filter_map(|(key, _)| String::from_utf8(key.0.key().to_vec()).ok());
        keys.filter(|key| key.starts_with(prefix)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn stored(len: usize) -> Stored {
        Stored { bytes: vec![7; len].into(), expires: clock::now() }
    }

    #[test]
    fn what_is_not_larger_than_the_largest_is_kept_beside_any_others() {
        for bytes in [64 << 10, 1 << 20, 20 << 20, 33 << 20, 64 << 20, (1 << 30) + 7] {
            let bound = Bound::Bytes(bytes);
            let values = Values::new(bound);
            let overhead = cost(9, 0);
            let len = usize::try_from(bound.largest() - overhead).expect("it fits into memory");
            for round in 0..8 {
                let key = format!("large:{round:03}");
                values.insert(&key, &stored(len - 64));
                assert!(values.get(&key).is_some(), "{} of {bytes}", bound.largest());
                values.insert(&format!("small:{round}"), &stored(100));
            }
            assert!(values.map.weight() <= bytes);
        }
    }

    #[test]
    fn entries_of_the_default_length_are_kept_by_every_store_of_two_shards() {
        for mebibytes in [32, 33, 48, 64, 100, 1 << 12] {
            let entry = crate::entry::Sizes::default().max_entry;
            assert!(cost(250, entry) <= Bound::Bytes(mebibytes << 20).largest(), "{mebibytes} MiB");
        }
    }

    #[test]
    fn a_store_has_no_more_entries_than_it_may() {
        for count in [1, 2, 3, 31, 64, 101, 129, 1_001] {
            let values = Values::new(Bound::Entries(count));
            for key in 0..3 * count {
                values.insert(&key.to_string(), &stored(40));
            }
            let kept = u32::try_from(values.len()).expect("few");
            assert!(kept <= count && kept * 10 >= count * 8, "{kept} of {count}");
        }
    }

    #[test]
    fn an_entry_is_known_by_its_key_alone() {
        let values = Values::new(Bound::Entries(10));
        for len in [40, 41] {
            values.insert("a", &stored(len));
            values.insert("ab", &stored(2 * len));
            let found = |key| values.get(key).map(|stored| stored.bytes.len());
            assert_eq!((found("a"), found("ab"), found("b"), values.len()), (Some(len), Some(2 * len), None, 2));
        }
        values.retain(|key| key == "ab");
        assert_eq!((values.len(), values.get("a").is_none()), (1, true));
        values.remove("ab");
        assert_eq!(values.len(), 0);
    }

    #[test]
    fn a_bound_is_named_in_the_largest_unit_that_it_is_whole_in() {
        let names = [Bound::Bytes(64 << 20), Bound::Bytes(96 << 10), Bound::Bytes(200_000), Bound::Entries(10)];
        assert_eq!(names.map(|bound| bound.to_string()), ["64 MiB", "96 KiB", "200000 bytes", "10 entries"]);
    }
}

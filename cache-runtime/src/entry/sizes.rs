//! How large entries may be.

/// The longest entry where the cache does not say. Redis serves everybody from one thread: 8 MiB keep it from the others
/// for some milliseconds, and take about 70 ms of the default deadline of 250 on a network of 1 Gbit/s. Raising it allows
/// larger values, and larger stalls.
pub(crate) const DEFAULT_MAX_ENTRY: usize = 8 << 20;

/// The longest entry that can be allowed: what Redis takes for a string (`proto-max-bulk-len`).
pub(crate) const MAX_MAX_ENTRY: usize = 512 << 20;

/// The least that can be allowed: a bound below it was meant for something else.
pub(crate) const MIN_MAX_ENTRY: usize = 1 << 10;

/// How large the entries of a cache may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// The longest entry, as long as it is uncompressed.
    pub(crate) max_entry: usize,
    /// Payloads longer than this are compressed.
    pub(crate) compress_above: Option<usize>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { max_entry: DEFAULT_MAX_ENTRY, compress_above: None }
    }
}

impl Sizes {
    /// Whether an entry of this length is one to store, and to read.
    pub(crate) fn allow(&self, entry: usize) -> bool {
        entry <= self.max_entry
    }
}

//! What is known of a cached function before it is called.

use std::sync::atomic::AtomicBool;

use once_cell::sync::OnceCell;
use serde::de::DeserializeOwned;

use crate::codec::{self, Fingerprint};
use crate::observe::Notices;

/// A cached function: made by the attribute, one `static` each.
#[derive(Debug)]
pub struct Site {
    pub(crate) function: &'static str,
    pub(crate) module: &'static str,
    pub(crate) template: &'static str,
    /// The fingerprint of the first type that this function was called with, and the function that computes it: a
    /// generic function has one site and many types.
    first: OnceCell<(usize, Fingerprint)>,
    /// Which events of this function were emitted lately.
    pub(crate) notices: Notices,
    /// Whether it was told that its cache is in place of one that could not be built.
    pub(crate) told: AtomicBool,
    /// Whether it is known that it uses a cache without a prefix.
    pub(crate) bare: AtomicBool,
}

impl Site {
    /// The function of this name, in this module, with this key template.
    #[must_use]
    pub const fn new(function: &'static str, module: &'static str, template: &'static str) -> Self {
        let (told, bare) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { function, module, template, first: OnceCell::new(), notices: Notices::new(), told, bare }
    }

    /// The fingerprint of the value's type.
    pub(crate) fn fingerprint<T: DeserializeOwned>(&self) -> Fingerprint {
        let address = codec::fingerprint::<T> as fn() -> Fingerprint as usize;
        match self.first.get_or_init(|| (address, codec::fingerprint::<T>())) {
            (first, fingerprint) if *first == address => *fingerprint,
            _ => codec::fingerprint::<T>(),
        }
    }
}

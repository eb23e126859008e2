//! The prefixes of this process's caches. What a cache without a prefix stores must not begin with one of them: the first
//! `:` of a key ends its prefix, and `prod:user:7` would be a key of both.
//!
//! Caches and functions come in any order, so both are remembered, and each newcomer is compared with the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Shared;
use crate::observe;
use crate::site::Site;

#[derive(Default)]
struct Known {
    /// The caches with a prefix, on stores that others share.
    caches: Vec<Weak<Shared>>,
    /// The functions that use a cache without.
    functions: Vec<&'static Site>,
    /// The templates that were reported.
    reported: Vec<&'static str>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known { caches: Vec::new(), functions: Vec::new(), reported: Vec::new() });

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cache with a prefix was built.
pub(super) fn register(cache: &Arc<Shared>) {
    let mut known = known();
    known.caches.retain(|cache| cache.strong_count() > 0);
    known.caches.push(Arc::downgrade(cache));
    for site in known.functions.clone() {
        known.compare(site, &cache.prefix);
    }
}

/// A function uses a cache without a prefix, for the first time.
pub(super) fn meets(site: &'static Site) {
    let mut known = known();
    known.functions.push(site);
    for cache in known.caches.clone().iter().filter_map(Weak::upgrade) {
        known.compare(site, &cache.prefix);
    }
}

impl Known {
    /// Reports a template that begins with this prefix and its `:`, once.
    fn compare(&mut self, site: &'static Site, prefix: &str) {
        if site.template.starts_with(prefix) && !self.reported.contains(&site.template) {
            self.reported.push(site.template);
            observe::prefix_is_taken(site, prefix);
        }
    }
}

//! The cache that `cache = …` names.

use std::ops::Deref;

use crate::cache::Cache;

/// A [`Cache`], or whatever leads to one through `Deref`: `&Cache`, `Arc<Cache>`, `&Arc<Cache>`, `LazyLock<Cache>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cache",
    label = "expected a `Cache`, or a reference or a smart pointer to one",
    note = "`cache = …` names a `cache_runtime::Cache`, as in `cache = self.pages`"
)]
pub trait NamedCache {
    /// The cache.
    fn cache(&self) -> &Cache;
}

impl NamedCache for Cache {
    fn cache(&self) -> &Cache {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<P: Deref<Target: NamedCache> + ?Sized> NamedCache for P {
    fn cache(&self) -> &Cache {
        (**self).cache()
    }
}

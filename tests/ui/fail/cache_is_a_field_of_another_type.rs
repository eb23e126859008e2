//! A field that is not a cache: the whole expression is shown.

use cache_runtime::redis_cached;

struct Pages {
    pages: Option<cache_runtime::Cache>,
}

impl Pages {
    #[redis_cached(key = "page:<id>", cache = self.pages, skip(self))]
    async fn page(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}

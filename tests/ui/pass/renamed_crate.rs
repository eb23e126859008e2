//! The runtime behind another name: a module of the user's own that re-exports it.
#![deny(warnings)]

pub mod facade {
    pub mod cache {
        pub use cache_runtime::*;
    }
}

mod reader {
    use crate::facade::cache::redis_cached;

    #[redis_cached(key = "renamed:<id>", ttl = 600, lock(wait = 1), crate = crate::facade::cache)]
    pub async fn renamed(id: u64) -> u64 {
        id
    }
}

mod absolute {
    use ::cache_runtime as redis_caching;

    #[redis_caching::redis_cached(key = "absolute:<id>", crate = redis_caching)]
    pub async fn renamed(id: u64) -> u64 {
        id
    }
}

fn main() {
    drop((reader::renamed(1), reader::renamed_entry(1), absolute::renamed(1), absolute::renamed_entry(1)));
}

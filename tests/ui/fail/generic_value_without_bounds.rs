//! A generic value without its bounds: reported at the return type.

use cache_runtime::redis_cached;

#[redis_cached(key = "default:<id>")]
async fn value<T: Default + Send + Sync + 'static>(id: u64) -> Option<T> {
    (id > 0).then(T::default)
}

fn main() {}

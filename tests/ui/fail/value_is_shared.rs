//! Shared pointers as values, without the feature `rc` of serde.

use std::rc::Rc;
use std::sync::Arc;

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn arc(id: u64) -> Result<Arc<String>, std::io::Error> {
    Ok(Arc::new(id.to_string()))
}

#[redis_cached(key = "user:<id>")]
async fn rc(id: u64) -> Option<Rc<String>> {
    Some(Rc::new(id.to_string()))
}

fn main() {}

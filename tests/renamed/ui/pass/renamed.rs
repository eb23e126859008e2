//! Every argument, and the derive, with the crate by its other name.
#![deny(warnings)]

use std::sync::Arc;
use std::time::Duration;

use cr::{Cache, Memory, MessagePack, redis_cached};

#[derive(Clone, cr::KeyPart)]
#[key_part(crate = ::cr)]
pub enum View {
    Short,
    Page { number: u32, size: u32 },
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Failed;

impl From<cr::Error> for Failed {
    fn from(_: cr::Error) -> Self {
        Self
    }
}

#[redis_cached(
    key = "<T>:<id>:<view>",
    ttl = |id| Duration::from_secs(*id),
    jitter = 0.2,
    lock(wait = 1, lease = "1s"),
    timeout = "2s",
    early_refresh = 1.0,
    none_ttl = 5,
    err_ttl = 1,
    cache_if = |id| *id > 0,
    codec = MessagePack,
    cache = cache,
    fail_open = false,
    shed = false,
    skip(cache),
    crate = ::cr
)]
pub async fn detached<const T: bool>(cache: Arc<Cache>, id: u64, view: &View) -> Result<Option<u64>, Failed> {
    let _ = view;
    Ok(Some(id))
}

#[redis_cached(key = "attached:<id>", stale_if_error = 60, shed = true, crate = cr)]
pub async fn attached(id: u64) -> Result<u64, Failed> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cache = Arc::new(Cache::builder().memory(Memory::entries(10)).build().unwrap());
    let view = View::Page { number: 1, size: 20 };
    assert_eq!(detached::<true>(Arc::clone(&cache), 7, &view).await.unwrap(), Some(7));
    let entry = detached_entry::<true>(Arc::clone(&cache), 7, &View::Short);
    assert_eq!((entry.key(), entry.get().await.unwrap()), ("true:7:Short", None));
    assert_eq!(detached_entry::<true>(cache, 7, &view).get().await.unwrap(), Some(7));
    drop((attached(1), attached_entry(1)));
}

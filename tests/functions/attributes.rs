//! Other attributes, above and below.

use cache_runtime::redis_cached;
use tracing::instrument;

use crate::{Runs, is_cached, is_send};

static RUNS: [Runs; 4] = [const { Runs::new() }; 4];

#[instrument(skip(name), ret, err)]
#[redis_cached(key = "instrument:above:<id>", skip(name))]
async fn instrumented_above(id: u64, name: &str) -> Result<u64, String> {
    RUNS[0].count();
    let _ = name;
    Ok(id)
}

#[redis_cached(key = "instrument:below:<id>", skip(name))]
#[instrument(level = "debug", skip(name), fields(length = name.len()))]
async fn instrumented_below(id: u64, name: &str) -> Result<u64, String> {
    RUNS[1].count();
    Ok(id)
}

#[async_trait::async_trait]
trait Numbers {
    async fn above(&self, id: u64) -> u64;
    async fn below(&self, id: u64) -> u64;
}

struct All;

#[async_trait::async_trait]
impl Numbers for All {
    #[instrument(skip(self))]
    #[redis_cached(key = "instrument:trait:above:<id>", skip(self))]
    async fn above(&self, id: u64) -> u64 {
        RUNS[2].count();
        id
    }

    #[redis_cached(key = "instrument:trait:below:<id>", skip(self))]
    #[instrument(skip(self))]
    async fn below(&self, id: u64) -> u64 {
        RUNS[3].count();
        id
    }
}

/// Documented; not for all targets.
#[must_use]
#[cfg(not(any()))]
#[inline]
#[redis_cached(key = "many:<id>")]
#[allow(clippy::unused_async, reason = "an attribute below")]
#[cfg_attr(all(), doc = "More.")]
async fn many(id: u64) -> u64 {
    id
}

#[cfg(any())]
#[redis_cached(key = "gone:<id>")]
async fn gone(id: Missing) -> Missing {
    id
}

mod inner {
    pub(super) mod module {
        use cache_runtime::redis_cached;

        #[redis_cached(key = "in crate:<id>")]
        pub(crate) async fn in_crate(id: u64) -> u64 {
            id
        }

        #[redis_cached(key = "in super:<id>")]
        pub(in super::super) async fn in_super(id: u64) -> u64 {
            id
        }
    }
}

#[tokio::test]
async fn instrument_above_and_below() {
    is_cached(&RUNS[0], |id| is_send(instrumented_above(id, "name")), Ok).await;
    is_cached(&RUNS[1], |id| is_send(instrumented_below(id, "name")), Ok).await;
    assert_eq!(instrumented_above_entry(1).get().await.unwrap(), Some(1));
    assert_eq!(instrumented_below_entry(1).get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn instrument_beside_async_trait() {
    is_cached(&RUNS[2], |id| is_send(All.above(id)), |id| id).await;
    is_cached(&RUNS[3], |id| is_send(All.below(id)), |id| id).await;
}

#[tokio::test]
async fn many_attributes() {
    assert_eq!(many(1).await, 1);
    assert_eq!(many_entry(1).get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn visibility_is_the_function_s_own() {
    use inner::module::{in_crate, in_crate_entry, in_super, in_super_entry};
    assert_eq!((in_crate(1).await, in_super(1).await), (1, 1));
    assert_eq!(in_crate_entry(1).get().await.unwrap(), Some(1));
    assert_eq!(in_super_entry(1).get().await.unwrap(), Some(1));
}

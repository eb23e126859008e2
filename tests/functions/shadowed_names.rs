//! A module without a prelude, with `std`, `core`, `Result`, `Ok`, `String` and `Vec` of its own.

use crate::{is_cached, is_send};

/// The user's own names.
#[no_implicit_prelude]
mod own {
    use ::async_trait::async_trait;
    use ::cache_runtime::redis_cached;

    use crate::Runs;

    pub(super) static RUNS: [Runs; 2] = [Runs::new(), Runs::new()];

    mod std {}
    mod core {}
    mod cache_runtime {}

    #[derive(Clone, Copy)]
    struct String(u64);
    #[allow(dead_code, reason = "in the way")]
    struct Vec;
    #[allow(dead_code, reason = "in the way")]
    enum Result {
        Ok,
        Err,
    }
    #[allow(unused_imports, reason = "in the way")]
    use self::Result::{Err, Ok};

    impl ::cache_runtime::KeyPart for String {
        fn write_key(&self, key: &mut ::cache_runtime::KeyWriter<'_>) {
            key.part(&self.0);
        }
    }

    #[redis_cached(key = "own names:<__plan>:<__r>", ttl = 60, lock = true, skip(__body, _core, _std))]
    pub(super) async fn names(__plan: u64, __body: u64, __r: u64, _core: u8, _std: u8) -> ::std::option::Option<u64> {
        RUNS[0].count();
        let text = String(__r);
        ::std::option::Option::Some(__plan + __body + text.0)
    }

    #[async_trait]
    pub(super) trait Read {
        async fn read(&self, id: u64) -> u64;
    }

    pub(super) struct Reader;

    // What `#[async_trait]` writes needs this one name.
    use ::std::boxed::Box;

    #[async_trait]
    impl Read for Reader {
        #[redis_cached(key = "own names of a trait:<id>", ttl = "1m", skip(self))]
        async fn read(&self, id: u64) -> u64 {
            RUNS[1].count();
            id
        }
    }
}

#[tokio::test]
async fn own_names_are_not_mixed_up_with_those_of_the_expansion() {
    is_cached(&own::RUNS[0], |id| is_send(own::names(id, 2, 3, 4, 5)), |id| Some(id + 5)).await;
    assert_eq!(own::names_entry(1, 3).get().await.unwrap(), Some(6));
    is_cached(&own::RUNS[1], |id| is_send(own::Read::read(&own::Reader, id)), |id| id).await;
}

//! A user's own `Result`, `Ok`, `Option`, `String`, `Duration`, `core`, `std` and `cache_runtime`, and no prelude at all.
#![no_implicit_prelude]
#![deny(warnings)]
#![allow(dead_code, unused_imports, unused_macros, non_camel_case_types)]

mod core {}
mod std {}
mod __private {}

mod cached {
    use ::cache_runtime::redis_cached;

    mod core {}
    mod std {}
    mod cache_runtime {}

    pub struct Result;
    pub struct Option;
    pub struct String;
    pub struct Duration;
    pub struct Site;
    pub struct SITE;
    pub struct Send;
    pub enum Outcome {
        Ok,
        Err,
        Some,
        None,
    }
    pub use self::Outcome::{Err, None, Ok, Some};

    pub const PLAN: u64 = 1;

    macro_rules! module_path {
        () => {
            compile_error!("the wrong `module_path!`")
        };
    }

    macro_rules! pin {
        () => {
            compile_error!("the wrong `pin!`")
        };
    }

    #[redis_cached(key = "names:<__plan>:<__body>:<__r>", ttl = 600, lock = true)]
    pub async fn names(__plan: u64, __body: u64, __r: u64) -> ::core::option::Option<u64> {
        ::core::option::Option::Some(__plan + __body + __r + PLAN)
    }

    #[redis_cached(
        key = "detached:<__plan>:<__load>:<__kind>:<__self>",
        timeout = 1,
        stale_if_error = 1,
        none_ttl = 1,
        cache_if = |value| *value > PLAN,
        ttl = |_| ::core::time::Duration::from_secs(1)
    )]
    pub async fn detached(__plan: u64, __load: &u64, __kind: &u64, __self: &u64) -> ::core::option::Option<u64> {
        ::core::option::Option::Some(__plan + *__load + *__kind + *__self + PLAN)
    }

    fn _use() {
        let _ = (names(1, 2, 3), names_entry(1, 2, 3));
        let _ = (detached(1, &2, &3, &4), detached_entry(1, &2, &3, &4));
    }
}

fn main() {}

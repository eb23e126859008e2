//! A key that is the same for every value of a parameter: a warning, which can be allowed.

#![deny(warnings)]
#![allow(dead_code)]

use cache_runtime::redis_cached;

#[redis_cached(key = "users", skip(page))]
async fn users(page: u32) -> Vec<u32> {
    vec![page]
}

#[allow(unused_must_use)]
#[redis_cached(key = "names", skip(page))]
async fn names(page: u32) -> Vec<u32> {
    vec![page]
}

#[redis_cached(key = "all", skip(pool))]
async fn all(pool: Vec<u32>) -> Vec<u32> {
    pool
}

fn main() {}

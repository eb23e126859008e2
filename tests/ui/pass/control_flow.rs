//! `return`, `?`, loops with labels, `let … else`, nested functions, macros: the body means what it meant.
#![deny(warnings)]

use cache_runtime::redis_cached;

#[derive(Debug)]
pub struct Failure(String);

impl From<std::num::ParseIntError> for Failure {
    fn from(error: std::num::ParseIntError) -> Self {
        Self(error.to_string())
    }
}

impl Failure {
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

#[redis_cached(key = "early:<text>")]
pub async fn early(text: &str) -> Result<u64, Failure> {
    if text.is_empty() {
        return Ok(0);
    }
    let number: u64 = text.parse()?;
    let Some(next) = number.checked_add(1) else {
        return Err(Failure("too large".to_owned()));
    };
    Ok(next)
}

#[redis_cached(key = "labels:<n>")]
pub async fn labels(n: u64) -> u64 {
    let mut sum = 0;
    'outer: for i in 0..n {
        for j in 0..i {
            if i * j > 100 {
                break 'outer;
            }
            sum += j;
            tokio::task::yield_now().await;
        }
    }
    sum
}

#[redis_cached(key = "items:<n>")]
pub async fn items(n: u64) -> u64 {
    use std::cmp::min;
    const LIMIT: u64 = 10;
    fn half(n: u64) -> u64 {
        n / 2
    }
    min(half(n), LIMIT)
}

#[redis_cached(key = "inner attribute:<n>")]
pub async fn inner_attribute(n: u64) -> u64 {
    #![allow(unused_variables)]
    let unused = n;
    n
}

#[redis_cached(key = "never:<n>")]
pub async fn always_returns(n: u64) -> u64 {
    loop {
        if n > 0 {
            return n;
        }
    }
}

#[redis_cached(key = "todo:<n>")]
pub async fn unfinished(n: u64) -> Vec<Result<u64, Failure2>> {
    todo!("{n}")
}

#[derive(serde::Serialize, serde::Deserialize, Clone)]
pub struct Failure2;

#[redis_cached(key = "collected")]
pub async fn collected() -> Vec<u64> {
    (0..3_u8).map(Into::into).collect()
}

#[redis_cached(key = "default")]
pub async fn inferred() -> Option<u64> {
    Option::default()
}

#[redis_cached(key = "closure:<n>")]
pub async fn closures(n: u64) -> u64 {
    let add = async |m: u64| n + m;
    let twice = |m: u64| m * 2;
    add(twice(n)).await
}

fn main() {
    let _ = Failure(String::new()).text();
    drop(early("1"));
}

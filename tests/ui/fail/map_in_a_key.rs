//! Maps and sets without an order, in keys: plain, behind an alias, in other types, and in a field.

use std::collections::{HashMap, HashSet};

use cache_runtime::redis_cached;

type Filter = HashMap<String, u32>;

#[derive(cache_runtime::KeyPart)]
struct Query {
    words: HashSet<String>,
    page: u32,
}

#[redis_cached(key = "plain:<filter>")]
async fn plain(filter: &HashMap<String, u32>) -> usize {
    filter.len()
}

#[redis_cached(key = "within:<filter>")]
async fn within(filter: Option<Vec<Filter>>) -> bool {
    filter.is_some()
}

#[redis_cached(key = "field:<query.words>")]
async fn field(query: Query) -> u32 {
    query.page
}

fn main() {}

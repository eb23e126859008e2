//! A parameter whose type cannot stand in a key: reported at the parameter.

use cache_runtime::redis_cached;

struct Filter {
    limit: u32,
}

#[redis_cached(key = "search:<filter>:<radius>")]
async fn search(filter: &Filter, radius: f64) -> Vec<u32> {
    vec![filter.limit, radius as u32]
}

fn main() {
    drop(search(&Filter { limit: 1 }, 0.5));
}

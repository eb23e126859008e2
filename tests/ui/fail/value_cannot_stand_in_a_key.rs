//! A parameter whose type cannot stand in a key: reported at the parameter.

use cache_runtime::redis_cached;

struct Filter {
    limit: u32,
}

#[redis_cached(key = "search:<filter>")]
async fn search(filter: &Filter) -> Vec<u32> {
    vec![filter.limit]
}

fn main() {
    drop(search(&Filter { limit: 1 }));
}

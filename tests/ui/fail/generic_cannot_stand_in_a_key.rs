//! A generic parameter without its bound: reported at the parameter.

use cache_runtime::redis_cached;

#[redis_cached(key = "text:<value>")]
async fn text<T: ToString>(value: T) -> String {
    value.to_string()
}

fn main() {}

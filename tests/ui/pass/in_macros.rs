//! Functions that a `macro_rules!` macro writes: names and values come from different places.
#![deny(warnings)]

use cache_runtime::redis_cached;

macro_rules! cached {
    ($name:ident, $key:literal, $ttl:expr, $parameter:ident: $type:ty) => {
        #[redis_cached(key = $key, ttl = $ttl, lock = true)]
        pub async fn $name($parameter: $type) -> Option<$type> {
            Some($parameter)
        }
    };
}

cached!(one, "one:<id>", 600, id: u64);
cached!(two, "two:<name>", "10m", name: String);

macro_rules! with_own_names {
    ($name:ident, $body:expr) => {
        #[redis_cached(key = "own:<id>", skip(db))]
        pub async fn $name(db: &u64, id: u64) -> u64 {
            let __body = $body;
            __body + id + *db
        }
    };
}

with_own_names!(three, 3);

fn main() {
    drop((one(1), two(String::new()), three(&1, 2)));
    drop((one_entry(1), two_entry(String::new()), three_entry(2)));
}

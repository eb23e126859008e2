//! A mistake in each of several functions: the others are not touched, nor are the callers.

use cache_runtime::redis_cached;

mod users {
    use super::redis_cached;

    #[redis_cached(key = "one:<idd>")]
    pub async fn one(id: u64) -> u64 {
        id
    }

    #[redis_cached(key = "two:<id>", ttl = 0)]
    pub async fn two(id: u64) -> u64 {
        id
    }

    #[redis_cached(key = "three:<id>")]
    pub async fn three(id: u64) -> u64 {
        id
    }
}

async fn callers() -> u64 {
    users::one_entry(1).invalidate().await.unwrap();
    users::two_entry(1).invalidate().await.unwrap();
    users::three_entry(1).invalidate().await.unwrap();
    users::one(1).await + users::two(1).await + users::three(1).await
}

fn main() {
    drop(callers());
}

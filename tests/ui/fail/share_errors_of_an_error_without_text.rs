//! Errors are shared, of a type that says nothing.

use cache_runtime::redis_cached;

struct Failure;

impl From<cache_runtime::Error> for Failure {
    fn from(_: cache_runtime::Error) -> Self {
        Self
    }
}

#[redis_cached(key = "user:<id>", share_errors = true)]
async fn get_user(id: u64) -> Result<Option<Vec<f64>>, Failure> {
    if id == 0 { Err(Failure) } else { Ok(None) }
}

async fn caller() {
    let _ = get_user(7).await;
    get_user_entry(7).invalidate().await.unwrap();
}

fn main() {
    drop(caller());
}

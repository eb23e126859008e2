//! A body that cannot be sent to another thread: said where it is sent.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>")]
async fn user(id: u64) -> u64 {
    let shared = std::rc::Rc::new(id);
    tokio::task::yield_now().await;
    *shared
}

fn spawned() {
    tokio::spawn(user(7));
}

fn main() {}

//! A task's body may go to another thread.

use cache_runtime::redis_cached;

#[redis_cached(key = "user:<id>", timeout = "2s", stale_if_error = 60)]
async fn get_user(id: u64) -> String {
    let shared = std::rc::Rc::new(id);
    tokio::task::yield_now().await;
    shared.to_string()
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}

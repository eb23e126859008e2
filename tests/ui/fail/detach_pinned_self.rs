//! A task cannot hold a pinned receiver.

use cache_runtime::redis_cached;

#[derive(Clone)]
struct Users {
    name: String,
}

impl Users {
    #[redis_cached(key = "user:<id>", detach = true, skip(self))]
    async fn user(self: std::pin::Pin<&mut Self>, id: u64) -> String {
        format!("{}{id}", self.name)
    }
}

fn main() {
    let users = Users { name: String::new() };
    drop(users.user_entry(7));
}

//! A receiver that cannot be copied for a task.

use cache_runtime::redis_cached;

struct Users {
    name: String,
}

impl Users {
    #[redis_cached(key = "user:<id>", timeout = 2, stale_if_error = 60, skip(self))]
    async fn user(&self, id: u64) -> String {
        format!("{}{id}", self.name)
    }
}

fn main() {
    let users = Users { name: String::new() };
    drop(users.user_entry(7));
}

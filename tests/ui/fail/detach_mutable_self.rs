//! A task cannot hold a receiver that may be changed.

use cache_runtime::redis_cached;

#[derive(Clone)]
struct Users {
    name: String,
}

impl Users {
    #[redis_cached(key = "user:<id>", stale_while_revalidate = 60, skip(self))]
    async fn user(&mut self, id: u64) -> String {
        self.name.push('x');
        format!("{}{id}", self.name)
    }
}

fn main() {
    let users = Users { name: String::new() };
    drop(users.user_entry(7));
}

//! `self` in the braces of a text, where it cannot be replaced.

use cache_runtime::redis_cached;

#[derive(Clone, Debug)]
struct Users {
    name: String,
}

impl Users {
    #[redis_cached(key = "user:<id>", detach = true, skip(self))]
    async fn user(&self, id: u64) -> String {
        format!("{self:?}{id}")
    }
}

fn main() {
    let users = Users { name: String::new() };
    drop(users.user_entry(7));
}

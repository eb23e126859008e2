//! A receiver that borrows, as only its `impl` says.

use cache_runtime::redis_cached;

#[derive(Clone)]
struct Users<'u> {
    name: &'u str,
}

impl Users<'_> {
    #[redis_cached(key = "user:<id>", detach = true, skip(self))]
    async fn user(&self, id: u64) -> String {
        format!("{}{id}", self.name)
    }
}

fn main() {
    let users = Users { name: "" };
    drop(users.user_entry(7));
}

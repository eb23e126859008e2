//! A field of a parameter, written as an item of a module.

use cache_runtime::redis_cached;

struct Users {
    tenant: u32,
}

impl Users {
    #[redis_cached(key = "<self::tenant>:<id>")]
    async fn user(&self, id: u64) -> u64 {
        id + u64::from(self.tenant)
    }
}

async fn caller(users: &Users) {
    users.user(7).await;
    users.user_entry(7).invalidate().await.unwrap();
}

fn main() {}

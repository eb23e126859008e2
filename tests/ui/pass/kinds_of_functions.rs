//! Free functions, methods, associated functions and functions inside of functions: signatures and callers unchanged.

use std::sync::Arc;

use cache_runtime::redis_cached;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    pub id: u64,
}

#[derive(Debug)]
pub struct DbError;

pub struct Db;

impl Db {
    async fn user(&self, id: u64) -> Result<User, DbError> {
        Ok(User { id })
    }
}

#[redis_cached(key = "user:<id>:v1", ttl = 600, lock = true, skip(db))]
pub async fn get_user(db: &Db, id: u64) -> Result<User, DbError> {
    db.user(id).await
}

pub struct Users {
    db: Db,
    tenant: String,
}

impl Users {
    #[redis_cached(key = "user:<self.tenant>:<id>", ttl = "10m")]
    pub async fn get(&self, id: u64) -> Result<User, DbError> {
        self.db.user(id).await
    }

    #[redis_cached(key = "shared:<id>", skip(self))]
    pub async fn get_mut(&mut self, id: u64) -> Result<User, DbError> {
        self.tenant.push('x');
        self.db.user(id).await
    }

    #[redis_cached(key = "arc:<self.tenant>:<id>")]
    pub async fn get_arc(self: Arc<Self>, id: u64) -> Result<User, DbError> {
        self.db.user(id).await
    }

    #[redis_cached(key = "users", skip(db))]
    pub async fn count(db: &Db) -> usize {
        usize::from(db.user(1).await.is_ok())
    }
}

async fn callers(users: &mut Users) {
    let _: Result<User, DbError> = get_user(&Db, 7).await;
    let _: Result<User, DbError> = users.get(7).await;
    let _: Result<User, DbError> = users.get_mut(7).await;
    let _: usize = Users::count(&Db).await;

    let _: Option<User> = get_user_entry(7).get().await.unwrap();
    get_user_entry(7).put(&User { id: 7 }).await.unwrap();
    let _: usize = users.counted(7).await;
    users.counted_entry(7).invalidate().await.unwrap();
    users.get_entry(7).invalidate().await.unwrap();
    users.get_mut_entry(7).invalidate().await.unwrap();
    Users::count_entry().invalidate().await.unwrap();

    #[redis_cached(key = "inner:<id>")]
    async fn inner(id: u64) -> u64 {
        id
    }
    let _: u64 = inner(7).await;
    inner_entry(7).invalidate().await.unwrap();
}

async fn arcs(users: Arc<Users>) {
    users.get_arc_entry(7).invalidate().await.unwrap();
    let _: Result<User, DbError> = users.get_arc(7).await;
}

pub trait Counted {
    const NAME: &str;

    #[allow(async_fn_in_trait)]
    #[redis_cached(key = "counted:<id>", skip(self))]
    async fn counted(&self, id: u64) -> usize {
        Self::NAME.len() + usize::try_from(id).unwrap_or_default()
    }
}

impl Counted for Users {
    const NAME: &str = "users";
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Team<T> {
    name: String,
    members: Vec<T>,
}

impl<T: Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> Team<T> {
    #[redis_cached(key = "team:<self.name>:<id>")]
    pub async fn of(&self, id: u64) -> Option<Self> {
        let _ = id;
        Some(self.clone())
    }
}

/// A body that may be sent, but not shared.
#[redis_cached(key = "unshared:<id>")]
pub async fn unshared(id: u64) -> u64 {
    let cell = std::cell::Cell::new(id);
    tokio::task::yield_now().await;
    cell.get()
}

fn is_send<F: Send>(_: F) {}

fn main() {
    is_send(get_user(&Db, 7));
    is_send(unshared(7));
    let team = Team { name: String::new(), members: vec![7] };
    is_send(team.of(7));
    drop(team.of_entry(7));
    is_send(arcs(Arc::new(Users { db: Db, tenant: String::new() })));
    let mut users = Users { db: Db, tenant: String::new() };
    is_send(callers(&mut users));
}

//! Your first ten minutes with `#[redis_cached]`:
//!
//! ```text
//! cargo run --example quickstart                                       no server: cached in this process
//! REDIS_URL=redis://127.0.0.1/ cargo run --example quickstart          cached in Redis: run it twice
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::redis_cached;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

/// What is cached must be something serde can write and read back.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Debug)]
struct DbError;

/// A database whose every answer takes 50 ms, and that counts its questions.
#[derive(Default)]
struct Db {
    queries: AtomicU32,
}

impl Db {
    async fn user(&self, id: u64) -> Result<User, DbError> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        if id == 0 { Err(DbError) } else { Ok(User { id, name: format!("user number {id}") }) }
    }

    fn queries(&self) -> u32 {
        self.queries.load(Ordering::Relaxed)
    }
}

// The function is an ordinary one, and callers see no difference. The arguments say:
//   key    where the value is kept; the `v1` is yours to raise when the meaning of the value changes
//   ttl    how long it is fresh, in seconds (or "10m")
//   lock   when many processes miss at once, one of them runs the body and the others wait for its value
//   skip   parameters that do not select the value; each parameter is in the key or here, or it does not compile
#[redis_cached(key = "user:<id>:v1", ttl = 600, lock = true, skip(db))]
async fn get_user(db: &Db, id: u64) -> Result<User, DbError> {
    db.user(id).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Db::default();
    println!("cached in {}\n", if std::env::var_os("REDIS_URL").is_some() { "Redis" } else { "this process" });

    // The first call runs the body, the second does not. `show` says which was which: see its `report` below.
    show("the first call", get_user(&db, 7)).await;
    show("the second call", get_user(&db, 7)).await;

    // A hundred callers of a value that nobody has: one of them runs the body, the others get what it got.
    let before = db.queries();
    let started = Instant::now();
    let users = join_all((0..100).map(|_| get_user(&db, 8))).await;
    let (answers, queries) = (users.iter().flatten().count(), db.queries() - before);
    println!("{:<28}answers: {answers}, queries: {queries}, in {:.1?}", "100 callers at once", started.elapsed());

    // Something changed user 7. Beside every cached function stands its entry, addressed by the key's parameters.
    get_user_entry(7).invalidate().await?;
    show("after an invalidation", get_user(&db, 7)).await;

    // Or a value is at hand already: put it there.
    get_user_entry(7).put(&User { id: 7, name: "renamed".to_owned() }).await?;
    show("after a put", get_user(&db, 7)).await;

    // Scopes reach every cached call inside a future, however deep.
    show("refresh: run and store", cache_runtime::refresh(get_user(&db, 7))).await;
    show("bypass: touch no cache", cache_runtime::bypass(get_user(&db, 7))).await;

    // An error is not cached: each call asks again.
    show("a user who is not there", get_user(&db, 0)).await;
    show("and once more", get_user(&db, 0)).await;

    Ok(())
}

/// Awaits a call under `report`, and prints what became of it and how long it took.
async fn show(what: &str, call: impl Future<Output = Result<User, DbError>>) {
    let started = Instant::now();
    // Boxed, since a future that is handed on by value grows at each hand.
    let (user, report) = cache_runtime::report(Box::pin(call)).await;
    let took = started.elapsed();
    let name = user.map_or_else(|DbError| "not found".to_owned(), |user| format!("{} ({})", user.name, user.id));
    for call in report.calls() {
        println!("{what:<28}{:<12}{took:>10.1?}   {name:<22}{}", format!("{:?}", call.outcome()), call.key());
    }
}

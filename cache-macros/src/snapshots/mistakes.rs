// Input
#[redis_cached(key = "user:<uid>", tll = 5, skip(db))]
async fn get_user(db: &Db, id: u64) -> User {
    db.user(id).await
}

// Output
::core::compile_error! {
    "unknown argument `tll`: did you mean `ttl`?"
}
::core::compile_error! {
    "unknown placeholder `<uid>` in `key`; the parameters are `db`, `id`: did you mean `<id>`?"
}
async fn get_user(db: &Db, id: u64) -> User {
    db.user(id).await
}
/// The cache entry of `get_user`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn get_user_entry(id: u64) -> ::cache_runtime::Entry<User> {
    let _ = &id;
    loop {}
}

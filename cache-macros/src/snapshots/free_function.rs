// Input
#[redis_cached(key = "user:<id>:v1", ttl = 600, lock = true, skip(db))]
pub async fn get_user(db: &Db, id: u64) -> Result<User, DbError> {
    db.user(id).await
}

// Output
pub async fn get_user(db: &Db, id: u64) -> Result<User, DbError> {
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "get_user",
                    ::core::module_path!(),
                    "user:<id>:v1",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .ttl(::cache_runtime::__private::millis(600000u64))
        .lock()
        .literal("user:")
        .part(&id)
        .literal(":v1");
    let __body = async move {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block"
        )]
        if false {
            let __r: Result<User, DbError> = loop {};
            return __r;
        }
        db.user(id).await
    };
    let __body = ::core::pin::pin!(__body);
    ::cache_runtime::__private::read(
            __plan,
            ::cache_runtime::__private::kind_of(&__body).kind().compared(),
            __body,
        )
        .await
}
/// The cache entry of `get_user`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
pub fn get_user_entry(id: u64) -> ::cache_runtime::Entry<Result<User, DbError>> {
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "get_user",
                    ::core::module_path!(),
                    "user:<id>:v1",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .ttl(::cache_runtime::__private::millis(600000u64))
        .lock()
        .literal("user:")
        .part(&id)
        .literal(":v1")
        .entry()
}

// Input
#[redis_cached(
    key = "user:<id>",
    ttl = |user|user.max_age,
    stale_if_error = "1h",
    none_ttl = 30,
    err_ttl = config.err_ttl,
    cache_if = User::is_active,
    shed = true,
    share_errors = true,
    skip(config)
)]
async fn user(config: &Config, id: u64) -> Result<Option<User>, DbError> {
    config.db.user(id).await
}

// Output
async fn user(config: &Config, id: u64) -> Result<Option<User>, DbError> {
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "user",
                    ::core::module_path!(),
                    "user:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .stale_if_error(::cache_runtime::__private::millis(3600000u64))
        .none_ttl(::cache_runtime::__private::millis(30000u64))
        .err_ttl(config.err_ttl)
        .shed()
        .literal("user:")
        .part(&id);
    let __body = async move {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block"
        )]
        if false {
            let __r: Result<Option<User>, DbError> = loop {};
            return __r;
        }
        config.db.user(id).await
    };
    let __body = ::core::pin::pin!(__body);
    let __kind = ::cache_runtime::__private::kind_of(&__body).kind().compared();
    ::cache_runtime::__private::read_with(
            __plan,
            ::cache_runtime::__private::hooks(__kind)
                .cache_if(User::is_active)
                .ttl_of(|user| user.max_age)
                .none()
                .failures()
                .share_errors(::cache_runtime::__private::errors_of(__kind))
                .or_fail(),
            __body,
        )
        .await
}
/// The cache entry of `user`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn user_entry(id: u64) -> ::cache_runtime::Entry<Result<Option<User>, DbError>> {
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "user",
                    ::core::module_path!(),
                    "user:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .stale_if_error(::cache_runtime::__private::millis(3600000u64))
        .literal("user:")
        .part(&id)
        .entry()
}

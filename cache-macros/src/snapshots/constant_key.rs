// Input
#[redis_cached(key = "users", skip(page, trace))]
async fn users(page: u32, #[cfg(feature = "trace")] trace: &str) -> Vec<User> {
    load(page).await
}

// Output
async fn users(page: u32, #[cfg(feature = "trace")] trace: &str) -> Vec<User> {
    {
        #[must_use = "every `page` gets the same value of `users`: write `<page>` into `key`, or `#[allow(unused_must_use)]` on the function if that is meant"]
        trait Placeholder {}
        impl Placeholder for () {}
        fn of_key() -> impl Placeholder {}
        of_key();
    }
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "users",
                    ::core::module_path!(),
                    "users",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .literal("users");
    let __body = async move {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block"
        )]
        if false {
            let __r: Vec<User> = loop {};
            return __r;
        }
        load(page).await
    };
    let __body = ::core::pin::pin!(__body);
    ::cache_runtime::__private::read(
            __plan,
            ::cache_runtime::__private::kind_of(&__body).kind().compared(),
            __body,
        )
        .await
}
/// The cache entry of `users`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn users_entry() -> ::cache_runtime::Entry<Vec<User>> {
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "users",
                    ::core::module_path!(),
                    "users",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .literal("users")
        .entry()
}

// Input
#[redis_cached(key = "user:<id>", skip(self))]
fn user(
    &self,
    id: u64,
) -> impl Future<Output = Result<User, impl Error + use<>>> + Send + use<> {
    let db = self.db.clone();
    async move { db.user(id).await }
}

// Output
fn user(
    &self,
    id: u64,
) -> impl Future<Output = Result<User, impl Error + use<>>> + Send + use<> {
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
        .literal("user:")
        .part(&id);
    let db = self.db.clone();
    async move {
        let __body = async move {
            #[allow(
                unreachable_code,
                clippy::diverging_sub_expression,
                clippy::empty_loop,
                clippy::let_unit_value,
                reason = "never runs: it tells the compiler the type of this block"
            )]
            if false {
                let __r: Result<User, _> = loop {};
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
}
/// The cache entry of `user`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn user_entry(
    &self,
    id: u64,
) -> ::cache_runtime::Entry<Result<User, ::cache_runtime::Error>> {
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
        .literal("user:")
        .part(&id)
        .entry()
}

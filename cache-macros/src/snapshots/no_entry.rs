// Input
#[redis_cached(key = "user:<id>", entry = false, skip(self))]
async fn user(&self, id: u64) -> User {
    self.load(id).await
}

// Output
async fn user(&self, id: u64) -> User {
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
    let __body = async move {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block"
        )]
        if false {
            let __r: User = loop {};
            return __r;
        }
        self.load(id).await
    };
    let __body = ::core::pin::pin!(__body);
    ::cache_runtime::__private::read(
            __plan,
            ::cache_runtime::__private::kind_of(&__body).kind().compared(),
            __body,
        )
        .await
}

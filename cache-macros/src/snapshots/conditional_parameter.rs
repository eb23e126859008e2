// Input
#[redis_cached(key = "user:<id>", cache = self.pages, detach = true, skip(self, trace))]
async fn user(&self, id: u64, #[cfg(feature = "trace")] trace: &str) -> User {
    #[cfg(feature = "trace")]
    info!("{trace}");
    self.load(id).await
}

// Output
async fn user(&self, id: u64, #[cfg(feature = "trace")] trace: &str) -> User {
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "user",
                    ::core::module_path!(),
                    "user:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::cache(&(self.pages)),
        )
        .literal("user:")
        .part(&id);
    let __load = move || {
        let __self = ::cache_runtime::__private::own(self);
        #[cfg(feature = "trace")]
        let trace = ::cache_runtime::__private::own(trace);
        async move {
            let __self = __self.get();
            #[cfg(feature = "trace")]
            let trace = trace.get();
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
            #[cfg(feature = "trace")]
            info!("{trace}");
            __self.load(id).await
        }
    };
    let __kind = ::cache_runtime::__private::kind_of_load(&__load).kind().compared();
    ::cache_runtime::__private::read_detached(
            __plan,
            ::cache_runtime::__private::hooks(__kind),
            __load,
        )
        .await
}
/// The cache entry of `user`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn user_entry(&self, id: u64) -> ::cache_runtime::Entry<User> {
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "user",
                    ::core::module_path!(),
                    "user:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::cache(&(self.pages)),
        )
        .literal("user:")
        .part(&id)
        .entry()
}

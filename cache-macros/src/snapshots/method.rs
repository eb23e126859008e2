// Input
#[redis_cached(
    key = "user:<self.tenant>:<user.id>",
    lock(wait = "5s", lease = self.lease)
)]
async fn get(&mut self, user: &User) -> Option<Profile> {
    self.load(user).await
}

// Output
async fn get(&mut self, user: &User) -> Option<Profile> {
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "get",
                    ::core::module_path!(),
                    "user:<self.tenant>:<user.id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .lock()
        .lock_wait(::cache_runtime::__private::millis(5000u64))
        .lock_lease(self.lease)
        .literal("user:")
        .part(&self.tenant)
        .literal(":")
        .part(&user.id);
    let __body = async move {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block"
        )]
        if false {
            let __r: Option<Profile> = loop {};
            return __r;
        }
        self.load(user).await
    };
    let __body = ::core::pin::pin!(__body);
    ::cache_runtime::__private::read(
            __plan,
            ::cache_runtime::__private::kind_of(&__body).kind().compared(),
            __body,
        )
        .await
}
/// The cache entry of `get`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn get_entry(&self, user: &User) -> ::cache_runtime::Entry<Option<Profile>> {
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "get",
                    ::core::module_path!(),
                    "user:<self.tenant>:<user.id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .lock()
        .lock_wait(::cache_runtime::__private::millis(5000u64))
        .lock_lease(self.lease)
        .literal("user:")
        .part(&self.tenant)
        .literal(":")
        .part(&user.id)
        .entry()
}

// Input
#[redis_cached(
    key = "user:<self.tenant>:<id>",
    ttl = "10m",
    stale_while_revalidate = "1m",
    early_refresh = 1,
    timeout = "2s",
    skip(db, name)
)]
async fn user(
    &self,
    mut db: &Db,
    Id(id): Id,
    User { name, .. }: &User,
) -> Result<User, DbError> {
    fn twice(&self) -> Self {
        Self(self.0 * 2)
    }
    db = self.replica(db);
    info!("{name} of {}", self.tenant);
    db.user(twice(id)).await
}

// Output
async fn user(
    &self,
    db: &Db,
    Id(id): Id,
    User { name, .. }: &User,
) -> Result<User, DbError> {
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "user",
                    ::core::module_path!(),
                    "user:<self.tenant>:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .ttl(::cache_runtime::__private::millis(600000u64))
        .stale_while_revalidate(::cache_runtime::__private::millis(60000u64))
        .timeout(::cache_runtime::__private::millis(2000u64))
        .early_refresh(1f64)
        .literal("user:")
        .part(&self.tenant)
        .literal(":")
        .part(&id);
    let __load = move || {
        let __self = ::cache_runtime::__private::own(self);
        let db = ::cache_runtime::__private::own(db);
        let name = ::cache_runtime::__private::own(name);
        async move {
            let __self = __self.get();
            let mut db = db.get();
            let name = name.get();
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
            fn twice(&self) -> Self {
                Self(self.0 * 2)
            }
            db = __self.replica(db);
            info!("{name} of {}", __self.tenant);
            db.user(twice(id)).await
        }
    };
    let __kind = ::cache_runtime::__private::kind_of_load(&__load).kind().compared();
    ::cache_runtime::__private::read_detached(
            __plan,
            ::cache_runtime::__private::hooks(__kind)
                .late(::cache_runtime::__private::late_of(__kind).late()),
            __load,
        )
        .await
}
/// The cache entry of `user`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn user_entry(&self, Id(id): Id) -> ::cache_runtime::Entry<Result<User, DbError>> {
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "user",
                    ::core::module_path!(),
                    "user:<self.tenant>:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .ttl(::cache_runtime::__private::millis(600000u64))
        .stale_while_revalidate(::cache_runtime::__private::millis(60000u64))
        .literal("user:")
        .part(&self.tenant)
        .literal(":")
        .part(&id)
        .entry()
}

// Input
#[redis_cached(key = "user:<id>", detach = true, skip(self, db))]
fn user<'life0, 'life1, 'async_trait>(
    &'life0 self,
    db: &'life1 Db,
    id: u64,
) -> Pin<Box<dyn Future<Output = User> + Send + 'async_trait>>
where
    'life0: 'async_trait,
    'life1: 'async_trait,
    Self: 'async_trait,
{
    Box::pin(async move {
        let __self = self;
        let db = db;
        let id = id;
        __self.load(db, id).await
    })
}

// Output
fn user<'life0, 'life1, 'async_trait>(
    &'life0 self,
    db: &'life1 Db,
    id: u64,
) -> Pin<Box<dyn Future<Output = User> + Send + 'async_trait>>
where
    'life0: 'async_trait,
    'life1: 'async_trait,
    Self: 'async_trait,
{
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
    Box::pin(async move {
        let __load = move || {
            let __self = ::cache_runtime::__private::own(self);
            let db = ::cache_runtime::__private::own(db);
            async move {
                let __self = __self.get();
                let db = db.get();
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
                let __self = __self;
                let db = db;
                let id = id;
                __self.load(db, id).await
            }
        };
        let __kind = ::cache_runtime::__private::kind_of_load(&__load).kind().compared();
        ::cache_runtime::__private::read_detached(
                __plan,
                ::cache_runtime::__private::hooks(__kind),
                __load,
            )
            .await
    })
}

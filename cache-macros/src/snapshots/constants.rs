// Input
#[redis_cached(
    key = "<T::NAME>:<Self::LIMITS.pages>:<N>:<id>",
    timeout = 2,
    skip(self, db)
)]
async fn count<D, T, U, const N: usize>(&self, db: &D, id: u64) -> Result<u64, Error>
where
    D: Load<T>,
    T: Row<U>,
{
    db.count(id, N).await
}

// Output
async fn count<D, T, U, const N: usize>(&self, db: &D, id: u64) -> Result<u64, Error>
where
    D: Load<T>,
    T: Row<U>,
{
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "count",
                    ::core::module_path!(),
                    "<T::NAME>:<Self::LIMITS.pages>:<N>:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .timeout(::cache_runtime::__private::millis(2000u64))
        .constants(|__template| {
            __template
                .constant(&T::NAME)
                .text(":")
                .constant(&Self::LIMITS.pages)
                .text(":")
                .constant(&N)
                .text(":")
                .text("<id>")
        })
        .part(&T::NAME)
        .literal(":")
        .part(&Self::LIMITS.pages)
        .literal(":")
        .part(&N)
        .literal(":")
        .part(&id);
    let __load = move || {
        let db = ::cache_runtime::__private::own(db);
        async move {
            let db = db.get();
            #[allow(
                unreachable_code,
                clippy::diverging_sub_expression,
                clippy::empty_loop,
                clippy::let_unit_value,
                reason = "never runs: it tells the compiler the type of this block"
            )]
            if false {
                let __r: Result<u64, Error> = loop {};
                return __r;
            }
            db.count(id, N).await
        }
    };
    let __kind = ::cache_runtime::__private::kind_of_load(&__load).kind().compared();
    ::cache_runtime::__private::read_detached(
            __plan,
            ::cache_runtime::__private::hooks(__kind)
                .late(::cache_runtime::__private::timed_out(__kind)),
            __load,
        )
        .await
}
/// The cache entry of `count`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn count_entry<T, U, const N: usize>(
    &self,
    id: u64,
) -> ::cache_runtime::Entry<Result<u64, Error>>
where
    T: Row<U>,
{
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "count",
                    ::core::module_path!(),
                    "<T::NAME>:<Self::LIMITS.pages>:<N>:<id>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .constants(|__template| {
            __template
                .constant(&T::NAME)
                .text(":")
                .constant(&Self::LIMITS.pages)
                .text(":")
                .constant(&N)
                .text(":")
                .text("<id>")
        })
        .part(&T::NAME)
        .literal(":")
        .part(&Self::LIMITS.pages)
        .literal(":")
        .part(&N)
        .literal(":")
        .part(&id)
        .entry()
}

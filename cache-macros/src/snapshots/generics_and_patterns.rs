// Input
#[redis_cached(key = "page:<page>:<name>", skip(db, size))]
async fn list<'n, D, T>(
    db: &D,
    name: &'n str,
    (mut page, size): (u32, u32),
) -> Vec<Cow<'n, T>>
where
    D: Load<T>,
    T: Clone,
{
    page += 1;
    db.list(name, page, size).await
}

// Output
async fn list<'n, D, T>(
    db: &D,
    name: &'n str,
    (mut page, size): (u32, u32),
) -> Vec<Cow<'n, T>>
where
    D: Load<T>,
    T: Clone,
{
    let __plan = ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "list",
                    ::core::module_path!(),
                    "page:<page>:<name>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .literal("page:")
        .part(&page)
        .literal(":")
        .part(&name);
    let __body = async move {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block"
        )]
        if false {
            let __r: Vec<Cow<'n, T>> = loop {};
            return __r;
        }
        page += 1;
        db.list(name, page, size).await
    };
    let __body = ::core::pin::pin!(__body);
    ::cache_runtime::__private::read(
            __plan,
            ::cache_runtime::__private::kind_of(&__body).unshared().kind().compared(),
            __body,
        )
        .await
}
/// The cache entry of `list`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
fn list_entry<T>(
    name: &'_ str,
    (page, _): (u32, u32),
) -> ::cache_runtime::Entry<Vec<Cow<'static, T>>>
where
    T: Clone,
{
    ::cache_runtime::__private::plan(
            {
                static SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
                    "list",
                    ::core::module_path!(),
                    "page:<page>:<name>",
                );
                &SITE
            },
            ::cache_runtime::__private::current(),
        )
        .literal("page:")
        .part(&page)
        .literal(":")
        .part(&name)
        .entry()
}

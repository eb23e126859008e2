// Input
#[redis_cached(key = "user:<self.tenant>:<id>")]
fn user<'life0, 'async_trait>(
    &'life0 self,
    __arg1: Path<u64>,
) -> Pin<Box<dyn Future<Output = Result<User, DbError>> + Send + 'async_trait>>
where
    'life0: 'async_trait,
    Self: 'async_trait,
{
    Box::pin(async move {
        let __self = self;
        let Path(id) = {
            let __arg1 = __arg1;
            __arg1
        };
        __self.load(id).await
    })
}

// Output
fn user<'life0, 'async_trait>(
    &'life0 self,
    Path(id): Path<u64>,
) -> Pin<Box<dyn Future<Output = Result<User, DbError>> + Send + 'async_trait>>
where
    'life0: 'async_trait,
    Self: 'async_trait,
{
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
        .literal("user:")
        .part(&self.tenant)
        .literal(":")
        .part(&id);
    Box::pin(async move {
        let __body = async move {
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
            let __self = self;
            __self.load(id).await
        };
        let __body = ::core::pin::pin!(__body);
        ::cache_runtime::__private::read(
                __plan,
                ::cache_runtime::__private::kind_of(&__body).kind().compared(),
                __body,
            )
            .await
    })
}

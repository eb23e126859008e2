// Input
#[redis_cached(
    key = "{report:<year>}:<<v1>>",
    ttl = config.ttl,
    lock(wait = 0.5, lease = "1m30s"),
    skip(config),
    jitter = 0.2,
    codec = Json,
    shape = "compatible",
    cache = &config.cache,
    entry = report_cache,
    fail_open = false,
    shared = true,
    crate = crate::facade::cache
)]
/// Reports.
#[tracing::instrument]
pub(crate) async fn report(config: &Config, year: u16) -> Result<Report, Error> {
    let lines = read(year)?;
    Ok(Report { lines })
}

// Output
/// Reports.
#[tracing::instrument]
pub(crate) async fn report(config: &Config, year: u16) -> Result<Report, Error> {
    const _: () = ::core::assert!(
        < Json as crate ::facade::cache::Codec > ::SELF_DESCRIBING,
        "the codec is not self-describing, so it cannot tell one shape of a type from another: leave `shape` out, or name a codec that is, as in `codec = MessagePack`"
    );
    let __plan = crate::facade::cache::__private::plan(
            {
                static SITE: crate::facade::cache::__private::Site = crate::facade::cache::__private::Site::new(
                        "report",
                        ::core::module_path!(),
                        "{report:<year>}:<<v1>>",
                    )
                    .shared();
                &SITE
            },
            crate::facade::cache::__private::cache(&(&config.cache)),
        )
        .ttl(config.ttl)
        .jitter(0.2f64)
        .lock()
        .lock_wait(crate::facade::cache::__private::millis(500u64))
        .lock_lease(crate::facade::cache::__private::millis(90000u64))
        .codec::<Json>()
        .shape(crate::facade::cache::__private::Shape::Compatible)
        .literal("{report:")
        .part(&year)
        .literal("}:<v1>");
    let __body = async move {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block"
        )]
        if false {
            let __r: Result<Report, Error> = loop {};
            return __r;
        }
        let lines = read(year)?;
        Ok(Report { lines })
    };
    let __body = ::core::pin::pin!(__body);
    crate::facade::cache::__private::read_or_fail(
            __plan,
            crate::facade::cache::__private::kind_of(&__body).kind().compared(),
            __body,
        )
        .await
}
/// The cache entry of `report`: its key, its value, its invalidation.
#[must_use = "an entry does nothing until one of its methods is called"]
pub(crate) fn report_cache(
    config: &Config,
    year: u16,
) -> crate::facade::cache::Entry<
    Result<Report, Error>,
    crate::facade::cache::__private::Named<Json>,
> {
    crate::facade::cache::__private::plan(
            {
                static SITE: crate::facade::cache::__private::Site = crate::facade::cache::__private::Site::new(
                        "report",
                        ::core::module_path!(),
                        "{report:<year>}:<<v1>>",
                    )
                    .shared();
                &SITE
            },
            crate::facade::cache::__private::cache(&(&config.cache)),
        )
        .ttl(config.ttl)
        .jitter(0.2f64)
        .lock()
        .lock_wait(crate::facade::cache::__private::millis(500u64))
        .lock_lease(crate::facade::cache::__private::millis(90000u64))
        .codec::<Json>()
        .shape(crate::facade::cache::__private::Shape::Compatible)
        .literal("{report:")
        .part(&year)
        .literal("}:<v1>")
        .entry()
}

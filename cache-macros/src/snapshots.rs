//! Golden expansions: what the attribute writes, in files that read like the code one would write by hand.
//!
//! `UPDATE_EXPECT=1 cargo test -p cache-macros` rewrites them; read the difference.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::quote;

/// Compares an expansion with its file.
fn check(args: TokenStream, item: TokenStream, golden: &ExpectFile) {
    let input = pretty(quote!(#[redis_cached(#args)] #item));
    let output = pretty(crate::cached(args, item));
    golden.assert_eq(&format!("// Input\n{input}\n// Output\n{output}"));
}

fn pretty(code: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(code).unwrap())
}

macro_rules! snapshots {
    ($($name:ident: ($($args:tt)*) $item:item)*) => {$(
        #[test]
        fn $name() {
            let golden = expect_file![concat!("snapshots/", stringify!($name), ".rs")];
            check(quote!($($args)*), quote!($item), &golden);
        }
    )*};
}

snapshots! {
    free_function: (key = "user:<id>:v1", ttl = 600, lock = true, skip(db))
    pub async fn get_user(db: &Db, id: u64) -> Result<User, DbError> {
        db.user(id).await
    }

    method: (key = "user:<self.tenant>:<user.id>", lock(wait = "5s", lease = self.lease))
    async fn get(&mut self, user: &User) -> Option<Profile> {
        self.load(user).await
    }

    every_argument: (
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
    )
    /// Reports.
    #[tracing::instrument]
    pub(crate) async fn report(config: &Config, year: u16) -> Result<Report, Error> {
        let lines = read(year)?;
        Ok(Report { lines })
    }

    every_hook: (
        key = "user:<id>",
        ttl = |user| user.max_age,
        stale_if_error = "1h",
        none_ttl = 30,
        err_ttl = config.err_ttl,
        cache_if = User::is_active,
        shed = true,
        share_errors = true,
        skip(config)
    )
    async fn user(config: &Config, id: u64) -> Result<Option<User>, DbError> {
        config.db.user(id).await
    }

    detached_method: (
        key = "user:<self.tenant>:<id>",
        ttl = "10m",
        stale_while_revalidate = "1m",
        early_refresh = 1,
        timeout = "2s",
        skip(db, name)
    )
    async fn user(&self, mut db: &Db, Id(id): Id, User { name, .. }: &User) -> Result<User, DbError> {
        fn twice(&self) -> Self { Self(self.0 * 2) }
        db = self.replica(db);
        info!("{name} of {}", self.tenant);
        db.user(twice(id)).await
    }

    detached_async_trait: (key = "user:<id>", detach = true, skip(self, db))
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

    generics_and_patterns: (key = "page:<page>:<name>", skip(db, size))
    async fn list<'n, D, T>(db: &D, name: &'n str, (mut page, size): (u32, u32)) -> Vec<Cow<'n, T>>
    where
        D: Load<T>,
        T: Clone,
    {
        page += 1;
        db.list(name, page, size).await
    }

    constants: (key = "<T::NAME>:<Self::LIMITS.pages>:<N>:<id>", timeout = 2, skip(self, db))
    async fn count<D, T, U, const N: usize>(&self, db: &D, id: u64) -> Result<u64, Error>
    where
        D: Load<T>,
        T: Row<U>,
    {
        db.count(id, N).await
    }

    constant_key: (key = "users", skip(page, trace))
    async fn users(page: u32, #[cfg(feature = "trace")] trace: &str) -> Vec<User> {
        load(page).await
    }

    conditional_parameter: (key = "user:<id>", cache = self.pages, detach = true, skip(self, trace))
    async fn user(&self, id: u64, #[cfg(feature = "trace")] trace: &str) -> User {
        #[cfg(feature = "trace")]
        info!("{trace}");
        self.load(id).await
    }

    no_entry: (key = "user:<id>", entry = false, skip(self))
    async fn user(&self, id: u64) -> User {
        self.load(id).await
    }

    async_trait: (key = "user:<self.tenant>:<id>")
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
            let Path(id) = { let __arg1 = __arg1; __arg1 };
            __self.load(id).await
        })
    }

    returned_future: (key = "user:<id>", skip(self))
    fn user(&self, id: u64) -> impl Future<Output = Result<User, impl Error + use<>>> + Send + use<> {
        let db = self.db.clone();
        async move { db.user(id).await }
    }

    mistakes: (key = "user:<uid>", tll = 5, skip(db))
    async fn get_user(db: &Db, id: u64) -> User {
        db.user(id).await
    }
}

/// Whatever is typed, there is an answer: a macro that panics is reported as a bug of the compiler's user.
#[test]
fn half_typed_attributes_do_not_panic() {
    let whole = "key = \"a:<b.0>:<self.r>:<T::N>\", ttl = |v| -5, lock(wait = \"1h\", x), skip(a, self), jitter = 1, codec = , \
         timeout = 5, cache_if = |v| v, detach = false, crate";
    let items =
        ["async fn f<'a, T>(&self, b: &'a (u8, T)) -> &'a str { x }", "fn f();", "struct S;", "", "async fn f() {}"];
    for end in (0..=whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        let (head, tail) = whole.split_at(end);
        for args in [head, tail].iter().filter_map(|args| args.parse::<TokenStream>().ok()) {
            for item in items {
                let _ = crate::cached(args.clone(), item.parse().unwrap());
            }
        }
    }
}

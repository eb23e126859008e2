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

#[test]
fn free_function() {
    check(
        quote!(key = "user:<id>:v1", ttl = 600, lock = true, skip(db)),
        quote! {
            pub async fn get_user(db: &Db, id: u64) -> Result<User, DbError> {
                db.user(id).await
            }
        },
        &expect_file!["snapshots/free_function.rs"],
    );
}

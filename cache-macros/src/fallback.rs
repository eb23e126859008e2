//! What is left when something was wrong: the errors, and beside them everything that other code may name, so that the
//! callers show no second error.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{FnArg, Pat, PatIdent};

use crate::entry::EntrySignature;
use crate::errors::Errors;
use crate::expand::entry_function;
use crate::target::{conditions, each_name};
use crate::validate::Cached;

/// The errors, the function as it was, and its entry function as far as it can be guessed.
///
/// Input:  `#[redis_cached(key = "user:<uid>")] async fn user(id: u64) -> User { … }`
/// Output: `compile_error! { … } async fn user(id: u64) -> User { … } fn user_entry(id: u64) -> Entry<User> { … }`
pub(crate) fn fallback(item: TokenStream, cached: Option<&Cached>, errors: Errors) -> TokenStream {
    let mut output = errors.into_tokens();
    output.extend(item);
    if let Some(entry) = cached.and_then(|cached| entry_function(cached, &body(cached))) {
        entry.to_tokens(&mut output);
    }
    output
}

/// Never runs, and uses the parameters, so that none is reported as unused.
fn body(cached: &Cached) -> TokenStream {
    let mut uses = TokenStream::new();
    for input in EntrySignature::new(cached).into_iter().flat_map(|entry| entry.inputs) {
        let FnArg::Typed(mut typed) = input else { continue };
        let conditions: Vec<_> = conditions(&typed.attrs).into_iter().cloned().collect();
        each_name(&mut typed.pat, &mut |pat| {
            if let Pat::Ident(PatIdent { ident, .. }) = pat {
                uses.extend(quote!(#(#conditions)* let _ = &#ident;));
            }
        });
    }
    quote! {
        #uses
        loop {}
    }
}

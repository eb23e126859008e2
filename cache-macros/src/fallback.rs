//! What is left when something was wrong: the errors, and beside them everything that other code may name, so that the
//! callers show no second error.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};

use crate::errors::Errors;
use crate::expand::entry_function;
use crate::validate::{Cached, Part};

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
    let values = cached.key.iter().filter_map(|part| match part {
        Part::Value { binding, .. } => Some(&binding.name),
        Part::Literal(_) => None,
    });
    quote! {
        let _ = (#(&#values,)*);
        loop {}
    }
}

//! What is left when something was wrong: the errors, and beside them everything that other code may name, so that the
//! callers show no second error.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};

use crate::errors::Errors;
use crate::expand::entry_function;
use crate::validate::Cached;

/// The errors, the function as it was, and its entry function as far as it can be guessed.
///
/// Input:  `#[redis_cached(key = "user:<uid>")] async fn user(id: u64) -> User { … }`
/// Output: `compile_error! { … } async fn user(id: u64) -> User { … } fn user_entry(id: u64) -> Entry<User> { … }`
pub(crate) fn fallback(item: TokenStream, cached: Option<&Cached>, errors: Errors) -> TokenStream {
    let mut output = errors.into_tokens();
    output.extend(item);
    if let Some(entry) = cached.and_then(|cached| entry_function(cached, &quote!(loop {}))) {
        entry.to_tokens(&mut output);
    }
    output
}

//! The attributes of `cache-runtime`, which re-exports them: depend on that crate.
//!
//! # Layout
//!
//! The files are the stages of the pipeline, in this order:
//!
//! - `args`: the arguments as the user wrote them; `values`: what each may be; `duration`: those that say how long
//! - `key_template`: the template taken apart, and the proof that it tells all calls apart
//! - `target`: the function taken apart; `returned`: one that returns its future
//! - `validate`: what must hold; `resolve`: the names in the template; `returned_type`: what may be returned
//! - `detach`: a body that runs in a task of its own; `borrows`: what it cannot hold; `own_self`: its name for `self`
//! - `entry`: the signature of the entry function
//! - `expand`: the code; or `fallback`: the errors, with the function still there
//!
//! `errors` collects what is wrong, `names` reads and changes lists of tokens, `runtime_path` says where the runtime is.
//! `derive_key_part` is the derive, by itself.

mod args;
mod borrows;
mod derive_key_part;
mod detach;
mod duration;
mod entry;
mod errors;
mod expand;
mod fallback;
mod key_template;
mod names;
mod own_self;
mod resolve;
mod returned;
mod returned_type;
mod runtime_path;
#[cfg(test)]
mod snapshots;
mod target;
mod validate;
mod values;

use proc_macro::TokenStream;

use crate::args::Args;
use crate::errors::Errors;
use crate::expand::expand;
use crate::fallback::fallback;
use crate::target::Target;
use crate::validate::validate;

#[doc = include_str!("docs/redis_cached.md")]
#[doc = include_str!("docs/functions.md")]
#[proc_macro_attribute]
pub fn redis_cached(args: TokenStream, item: TokenStream) -> TokenStream {
    cached(args.into(), item.into()).into()
}

/// Derives `KeyPart` for a type of yours: all its fields, and the name of a variant, tell its values apart in a key. A
/// struct of one field is written as that field.
///
/// ```
/// use cache_runtime::{KeyPart, redis_cached};
///
/// #[derive(KeyPart)]
/// struct UserId(u64);
///
/// #[derive(KeyPart)]
/// enum View { Short, Of { page: u32, size: u32 } }
///
/// #[redis_cached(key = "user:<id>:<view>")]
/// async fn show(id: UserId, view: View) -> String {
///     format!("user {}", id.0)
/// }
///
/// assert_eq!(show_entry(UserId(7), View::Short).key(), "user:7:Short");
/// assert_eq!(show_entry(UserId(7), View::Of { page: 1, size: 20 }).key(), "user:7:Of(1,20,)");
/// ```
///
/// `#[key_part(crate = path)]` says where `cache_runtime` is, when it is renamed or re-exported.
#[proc_macro_derive(KeyPart, attributes(key_part))]
pub fn derive_key_part(input: TokenStream) -> TokenStream {
    match syn::parse(input) {
        Ok(input) => derive_key_part::derive(&input).into(),
        Err(error) => error.into_compile_error().into(),
    }
}

/// [`redis_cached`] on tokens that the unit tests can make.
fn cached(args: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    match syn::parse2::<Target>(item.clone()) {
        Ok(target) => {
            let cached = validate(args, target, &mut errors);
            if errors.is_empty() { expand(&cached) } else { fallback(item, Some(&cached), errors) }
        }
        Err(error) => {
            errors.add(error);
            fallback(item, None, errors)
        }
    }
}

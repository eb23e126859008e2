//! The attributes of `cache-runtime`, which re-exports them: depend on that crate.
//!
//! # Layout
//!
//! The files are the stages of the pipeline, in this order:
//!
//! - `args`: the arguments as the user wrote them; `values`: what each may be; `duration`: those that say how long
//! - `key_template`: the template taken apart, and the proof that it tells all calls apart
//! - `target`: the function taken apart; `returned`: one that returns its future
//! - `validate`: what must hold, and every name resolved; `returned_type`: what may be returned
//! - `entry`: the signature of the entry function
//! - `expand`: the code; or `fallback`: the errors, with the function still there
//!
//! `errors` collects what is wrong, `names` reads and changes lists of tokens, `runtime_path` says where the runtime is.

mod args;
mod duration;
mod entry;
mod errors;
mod expand;
mod fallback;
mod key_template;
mod names;
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

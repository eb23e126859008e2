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

/// Turns an async function into a cached one: it runs its body when the value is not in the cache, and stores what the
/// body returned. The signature, the errors and the callers stay as they are.
///
/// ```
/// use cache_runtime::redis_cached;
/// # struct Db;
/// # impl Db { async fn name(&self, id: u64) -> Result<String, std::io::Error> { Ok(format!("user {id}")) } }
///
/// #[redis_cached(key = "name:<id>:v1", ttl = 600, lock = true, skip(db))]
/// async fn user_name(db: &Db, id: u64) -> Result<String, std::io::Error> {
///     db.name(id).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let db = Db;
/// assert_eq!(user_name(&db, 7).await?, "user 7");
/// assert_eq!(user_name_entry(7).get().await?.as_deref(), Some("user 7")); // the entry function: made beside it
/// # Ok(())
/// # }
/// ```
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `key = "user:<id>:v1"` | where the value is kept; see below | required |
/// | `ttl = 600` | how long a value is fresh | the cache's, five minutes unless it says otherwise |
/// | `lock = true` | among the processes that miss a value, one runs the body and the others wait for its value; `lock(wait = "5s", lease = "10s")` says how long a caller waits, and how long a process that has gone holds the others up | `false`: other processes do not wait |
/// | `skip(db, self)` | parameters that do not select the value | none |
/// | `jitter = 0.1` | how far the TTLs of different values are spread, as a share from 0.0 to 0.5 | the cache's, 0.1 unless it says otherwise |
/// | `codec = Json` | how values are written: a type that implements `Codec` | the cache's, `MessagePack` unless it says otherwise |
/// | `cache = &self.cache` | which `&Cache` | the one that was installed |
/// | `entry = name` | the name of the entry function; `false` for none | the function's, with `_entry` |
/// | `fail_open = false` | a failure of the cache is the function's error, by `E: From<cache_runtime::Error>` | `true`: the body runs without the cache |
/// | `crate = ::path` | the runtime, when it was renamed or is re-exported | `::cache_runtime` |
///
/// A duration is a number of seconds (`600`, `0.5`), a text in `ms`, `s`, `m`, `h` and `d` (`"250ms"`, `"1h30m"`), or
/// an expression of type `Duration`. Expressions may name the function's parameters.
///
/// # The key
///
/// `<id>` stands for the value of a parameter, `<user.id>` and `<self.tenant>` for a field; `<<` and `>>` for the marks
/// themselves. All else is text, braces too: a hash tag of Redis Cluster is written `{user:<id>}:v1`. What stands for a
/// value implements `KeyPart`, and is escaped.
///
/// Two calls share a value if and only if their keys are equal. So each parameter is in the key or in `skip`, and
/// neighbouring placeholders are separated by a character that no value contains, best a `:`. Names that a pattern binds
/// count as parameters.
///
/// # The entry function
///
/// `get_user_entry(7)` returns the `Entry` that `get_user(&db, 7)` uses, with `key`, `get`, `put` and `invalidate`. It
/// takes the parameters that the key and the arguments' expressions name, in their order; beside a method, it is a
/// method. In an `impl Trait for …` block there is no room for one: write `entry = false` there.
///
/// # What is refused
///
/// All mistakes of a use are reported by one compile, each where it is and with the text to type instead:
///
/// - a function that is not async, or is `const` or `extern`; one that returns nothing, or `impl Trait`
/// - a key that is missing, empty, malformed, or names no parameter; one that lets different arguments share a value
/// - a parameter that is neither in the key nor in `skip`, or in both
/// - a duration of zero, or of more than 365 days: nothing lives for ever
/// - an argument that is unknown, or given twice
///
/// ```compile_fail
/// # use cache_runtime::redis_cached;
/// #[redis_cached(key = "name:<id>:v1")] // `tenant` is neither in the key nor in `skip`
/// async fn user_name(tenant: u32, id: u64) -> String {
///     format!("user {id} of {tenant}")
/// }
/// ```
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

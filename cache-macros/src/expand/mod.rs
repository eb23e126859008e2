//! The expansion, and nothing else of the crate writes code: build the key, name the policy, hand the body over.

mod policy;
mod read;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Index;

use crate::args::{Arg, Args};
use crate::entry::EntrySignature;
use crate::returned::Returned;
use crate::runtime_path::RuntimePath;
use crate::target::{Binding, Target, word};
use crate::validate::{Cached, Part, suspect};

/// The cached function and its entry function.
///
/// Input:
/// ```text
/// #[redis_cached(key = "user:<id>:v1", ttl = 600, skip(db))]
/// pub async fn get_user(db: &Db, id: u64) -> Result<User, DbError> { db.user(id).await }
/// ```
/// Output:
/// ```text
/// pub async fn get_user(db: &Db, id: u64) -> Result<User, DbError> {
///     let __plan = plan(&SITE, current()).ttl(Duration::from_millis(600000u64))
///         .literal("user:").part(&id).literal(":v1");
///     let __body = async move {
///         if false { let __r: Result<User, DbError> = loop {}; return __r; }
///         db.user(id).await
///     };
///     let __body = pin!(__body);
///     read(__plan, kind_of(&__body).kind().compared(), __body).await
/// }
/// pub fn get_user_entry(id: u64) -> Entry<Result<User, DbError>> { /* the same plan */ plan.entry() }
/// ```
pub(crate) fn expand(cached: &Cached) -> TokenStream {
    let Target { attrs, vis, sig, .. } = &cached.target;
    let plan_of_read = plan(cached, &policy::of_read(&cached.args));
    let run = read::run(cached);
    let run = cached.target.returned.as_ref().map_or(run.clone(), |returned| as_returned(returned, &run));
    let warning = warning(cached);
    let self_describing = policy::self_describing(cached);
    let plan_of_entry = plan(cached, &policy::of_entry(&cached.args));
    let entry = entry_function(cached, &quote_spanned!(Span::mixed_site()=> #plan_of_entry.entry()));
    quote_spanned! {Span::mixed_site()=>
        #(#attrs)*
        #vis #sig {
            #warning
            #self_describing
            let __plan = #plan_of_read;
            #run
        }
        #entry
    }
}

/// What is legal and suspect. A use of something deprecated is the one warning that stable Rust lets a macro make, and
/// that a user can allow.
fn warning(cached: &Cached) -> Option<TokenStream> {
    let name = suspect(cached)?.word();
    let function = &cached.target.sig.ident;
    let note = format!(
        "every `{name}` gets the same value of `{function}`: write `<{name}>` into `key`, or `#[allow(deprecated)]` on the \
         function if that is meant"
    );
    let at = cached.args.key.as_ref().map_or_else(Span::mixed_site, |key| key.value.span());
    let warned = Ident::new("key_without_placeholder", Span::mixed_site());
    let called = Ident::new("key_without_placeholder", at.resolved_at(Span::mixed_site()));
    Some(quote_spanned!(Span::mixed_site()=> { #[deprecated(note = #note)] fn #warned() {} #called(); }))
}

/// Puts the cached call where the function's own block was. The plan is made before, when the function is called: so the
/// future holds what the user's block holds, and no parameter more.
///
/// Input:  the way to the block of `let db = self.db.clone(); Box::pin(async move { … })`
/// Output: `let db = self.db.clone(); Box::pin(async move { #run })`
fn as_returned(returned: &Returned, run: &TokenStream) -> TokenStream {
    let Returned { before, pin, keywords } = returned;
    let block = quote!(#keywords { #run });
    let last = pin.as_ref().map_or(block.clone(), |pin| quote!(#pin(#block)));
    quote!(#before #last)
}

/// The entry function around `body`, which yields the entry.
pub(crate) fn entry_function(cached: &Cached, body: &TokenStream) -> Option<TokenStream> {
    let EntrySignature { attrs, name, generics, inputs, output } = EntrySignature::new(cached)?;
    let vis = &cached.target.vis;
    let where_clause = &generics.where_clause;
    let runtime = RuntimePath::new(&cached.args).at(Span::mixed_site());
    let codec = cached.args.codec.as_ref().map(|Arg { value, .. }| {
        let private = private(&cached.args, Span::mixed_site());
        quote_spanned!(Span::mixed_site()=> , #private::Named<#value>)
    });
    let doc = format!(" The cache entry of `{}`: its key, its value, its invalidation.", cached.target.sig.ident);
    Some(quote_spanned! {Span::mixed_site()=>
        #(#attrs)*
        #[doc = #doc]
        #[must_use = "an entry does nothing until one of its methods is called"]
        #vis fn #name #generics (#(#inputs),*) -> #runtime::Entry<#output #codec> #where_clause {
            #body
        }
    })
}

/// The key and the policy: what the user wrote, and no defaults.
fn plan(cached: &Cached, policy: &TokenStream) -> TokenStream {
    let Cached { args, target, key, .. } = cached;
    let private = private(args, Span::mixed_site());
    let name = word(&target.sig.ident);
    let template = args.key.as_ref().map(|key| key.value.value());
    let cache = if let Some(Arg { value, .. }) = &args.cache {
        quote_spanned!(Span::mixed_site()=> #private::cache(#value))
    } else {
        quote_spanned!(Span::mixed_site()=> #private::current())
    };
    let shared = args.is_shared().map(|_| quote_spanned!(Span::mixed_site()=> .shared()));
    let key = key.iter().map(|part| key_part(part, args));
    quote_spanned! {Span::mixed_site()=>
        #private::plan({
            static SITE: #private::Site = #private::Site::new(#name, ::core::module_path!(), #template) #shared;
            &SITE
        }, #cache) #policy #(#key)*
    }
}

/// A value is reported at its parameter when it cannot stand in a key, and at the template when the way to it is wrong.
///
/// Input:  `user:`, `<id>`, `<user.id>`
/// Output: `.literal("user:")`, `.part(&id)`, `.part(&user.id)`
fn key_part(part: &Part, args: &Args) -> TokenStream {
    match part {
        Part::Literal(text) => quote_spanned!(Span::mixed_site()=> .literal(#text)),
        Part::Value { binding: Binding { name, .. }, fields } => {
            let template = args.key.as_ref().map_or_else(Span::call_site, |key| key.value.span());
            let span = if fields.is_empty() { name.span() } else { template.resolved_at(name.span()) };
            let mut root = name.clone();
            root.set_span(span);
            let fields = fields.iter().map(|field| field_name(field, template.resolved_at(Span::mixed_site())));
            let value = quote_spanned!(span=> &#root #(.#fields)*);
            quote_spanned!(Span::mixed_site()=> .part(#value))
        }
    }
}

fn field_name(field: &str, span: Span) -> TokenStream {
    match (field.parse(), syn::parse_str::<Ident>(field)) {
        (Ok(index), _) => Index { index, span }.into_token_stream(),
        (_, Ok(_)) => Ident::new(field, span).into_token_stream(),
        (_, Err(_)) => Ident::new_raw(field, span).into_token_stream(),
    }
}

fn private(args: &Args, span: Span) -> TokenStream {
    let runtime = RuntimePath::new(args).at(span);
    quote_spanned!(span=> #runtime::__private)
}

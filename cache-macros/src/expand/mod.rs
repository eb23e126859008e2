//! The expansion, and nothing else of the crate writes code: build the key, name the policy, hand the body over.

mod policy;
mod read;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, Index};

use crate::args::{Arg, Args};
use crate::entry::EntrySignature;
use crate::key_template::Placeholder;
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
///     let __plan = plan(&SITE, current()).ttl(millis(600000u64))
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

/// What is legal and suspect: a value that is skipped, where nothing else tells the calls apart. Stable Rust lets a macro
/// warn with a text of its own by way of a result that is not used, and the user can allow that. The result is opaque since
/// rustc proposes to discard others, in the middle of the attribute.
///
/// Output: `{ #[must_use = "every `page` gets …"] trait Placeholder {} … fn of_key() -> impl Placeholder {} of_key(); }`
fn warning(cached: &Cached) -> Option<TokenStream> {
    let word = suspect(cached)?.word();
    let function = &cached.target.sig.ident;
    let note = format!(
        "every `{word}` gets the same value of `{function}`: write `<{word}>` into `key`, or `#[allow(unused_must_use)]` on \
         the function if that is meant"
    );
    let at = cached.args.key.as_ref().map_or_else(Span::mixed_site, |key| key.value.span());
    let call = quote_spanned!(at=> of_key());
    Some(quote_spanned! {Span::mixed_site()=> {
        #[must_use = #note]
        trait Placeholder {}
        impl Placeholder for () {}
        fn of_key() -> impl Placeholder {}
        #call;
    }})
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
        let cache = borrowed(value);
        quote_spanned!(Span::mixed_site()=> #private::cache(#cache))
    } else {
        quote_spanned!(Span::mixed_site()=> #private::current())
    };
    let shared = args.is_shared().map(|_| quote_spanned!(Span::mixed_site()=> .shared()));
    let constants = constants(key, args);
    let key = key.iter().map(|part| key_part(part, args));
    quote_spanned! {Span::mixed_site()=>
        #private::plan({
            static SITE: #private::Site = #private::Site::new(#name, ::core::module_path!(), #template) #shared;
            &SITE
        }, #cache) #policy #constants #(#key)*
    }
}

/// What tells the templates of the instances of a generic function apart, where constants are part of them.
///
/// Input:  `<T::NAME>:<id>`
/// Output: `.constants(|__template| __template.constant(&T::NAME).text(":").text("<id>"))`
fn constants(key: &[Part], args: &Args) -> Option<TokenStream> {
    key.iter().any(|part| matches!(part, Part::Constant { .. })).then(|| {
        let parts = key.iter().map(|part| match part {
            Part::Literal(text) => quote_spanned!(Span::mixed_site()=> .text(#text)),
            Part::Value { binding, fields } => {
                let placeholder = Placeholder { root: binding.word(), items: Vec::new(), fields: fields.clone() };
                let text = placeholder.to_string();
                quote_spanned!(Span::mixed_site()=> .text(#text))
            }
            Part::Constant { placeholder, .. } => {
                let value = constant(placeholder, args);
                quote_spanned!(Span::mixed_site()=> .constant(#value))
            }
        });
        quote_spanned!(Span::mixed_site()=> .constants(|__template| __template #(#parts)*))
    })
}

/// Borrows the place that an expression is, or the value that it makes. The borrow covers the expression's own tokens, so
/// that a wrong type is reported there.
///
/// Input:  `self.pages`
/// Output: `&(self.pages)`
fn borrowed(value: &Expr) -> TokenStream {
    let (first, last) = ends(value);
    let mut place = Group::new(Delimiter::Parenthesis, value.to_token_stream());
    place.set_span(last.resolved_at(Span::mixed_site()));
    quote_spanned!(first.resolved_at(Span::mixed_site())=> &#place)
}

/// Where tokens begin and end.
fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::mixed_site);
    (first, spans.last().unwrap_or(first))
}

/// A value is reported at its parameter when it cannot stand in a key, and at the template when the way to it is wrong.
///
/// Input:  `user:`, `<id>`, `<user.id>`, `<T::NAME>`
/// Output: `.literal("user:")`, `.part(&id)`, `.part(&user.id)`, `.part(&T::NAME)`
fn key_part(part: &Part, args: &Args) -> TokenStream {
    let template = args.key.as_ref().map_or_else(Span::call_site, |key| key.value.span());
    let value = match part {
        Part::Literal(text) => return quote_spanned!(Span::mixed_site()=> .literal(#text)),
        Part::Value { binding: Binding { name, .. }, fields } => {
            let span = if fields.is_empty() { name.span() } else { template.resolved_at(name.span()) };
            let mut root = name.clone();
            root.set_span(span);
            value(span, &root.into_token_stream(), fields, template)
        }
        Part::Constant { placeholder, .. } => constant(placeholder, args),
    };
    quote_spanned!(Span::mixed_site()=> .part(#value))
}

/// A reference to a constant.
fn constant(Placeholder { root, items, fields }: &Placeholder, args: &Args) -> TokenStream {
    let template = args.key.as_ref().map_or_else(Span::call_site, |key| key.value.span());
    let root = name_at(root, template);
    let items = items.iter().map(|item| name_at(item, template.resolved_at(Span::mixed_site())));
    value(template, &quote_spanned!(template=> #root #(::#items)*), fields, template)
}

/// A reference to a field of `root`, or to that itself.
fn value(span: Span, root: &TokenStream, fields: &[String], template: Span) -> TokenStream {
    let fields = fields.iter().map(|field| name_at(field, template.resolved_at(Span::mixed_site())));
    quote_spanned!(span=> &#root #(.#fields)*)
}

/// A name of the template, which has it without `r#`.
fn name_at(name: &str, span: Span) -> TokenStream {
    let is_of_path = matches!(name, "self" | "Self" | "super" | "crate");
    match (name.parse(), syn::parse_str::<Ident>(name)) {
        (Ok(index), _) => Index { index, span }.into_token_stream(),
        (_, Err(_)) if !is_of_path => Ident::new_raw(name, span).into_token_stream(),
        (_, _) => Ident::new(name, span).into_token_stream(),
    }
}

fn private(args: &Args, span: Span) -> TokenStream {
    let runtime = RuntimePath::new(args).at(span);
    quote_spanned!(span=> #runtime::__private)
}

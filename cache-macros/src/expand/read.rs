//! The part of a cached function that runs: its body, as a future or as a closure that makes one, and the one call.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::{policy, private};
use crate::detach::Copied;
use crate::names::replace_opaque;
use crate::returned_type::is_unshared;
use crate::validate::Cached;

/// The body and the call.
pub(super) fn run(cached: &Cached) -> TokenStream {
    match &cached.detached {
        Some(copies) => detached_run(cached, copies),
        None => attached_run(cached),
    }
}

/// Input:  `#[redis_cached(key = "<id>", cache_if = |user| user.is_active)]`
/// Output:
/// ```text
/// let __body = async move { /* the body */ };
/// let __body = pin!(__body);
/// let __kind = kind_of(&__body).kind().compared();
/// read_with(__plan, hooks(__kind).cache_if(|user| user.is_active), __body).await
/// ```
fn attached_run(cached: &Cached) -> TokenStream {
    let body = local("__body");
    let block = block(cached, &TokenStream::new());
    let call = Call { body: &body, kind_of: "kind_of", read: "read_with" };
    let read = match policy::hooks(&cached.args, &local("__kind"), ends(cached).0) {
        Some(hooks) => with_hooks(cached, &call, &hooks),
        None => read(cached, &body),
    };
    quote_spanned! {Span::mixed_site()=>
        let #body = async move #block;
        let #body = ::core::pin::pin!(#body);
        #read
    }
}

/// Input:  `#[redis_cached(key = "<id>", detach = true, skip(db))] … (db: &Db, id: u64)`
/// Output:
/// ```text
/// let __load = move || {
///     let db = own(db);
///     async move { let db = db.get(); /* the body */ }
/// };
/// let __kind = kind_of_load(&__load).kind().compared();
/// read_detached(__plan, hooks(__kind), __load).await
/// ```
/// The closure is called when the body is to run, so that a hit copies nothing.
fn detached_run(cached: &Cached, parameters: &[Copied]) -> TokenStream {
    let load = local("__load");
    let copies = parameters.iter().map(|parameter| copy(cached, parameter));
    let borrows = parameters.iter().map(|Copied { inside, is_mut, conditions, .. }| {
        let mutability = is_mut.then(|| quote!(mut));
        quote_spanned!(Span::mixed_site()=> #(#conditions)* let #mutability #inside = #inside.get();)
    });
    let block = block(cached, &borrows.collect());
    let call = Call { body: &load, kind_of: "kind_of_load", read: "read_detached" };
    let hooks = policy::hooks(&cached.args, &local("__kind"), ends(cached).0).unwrap_or_default();
    let read = with_hooks(cached, &call, &hooks);
    quote_spanned! {Span::mixed_site()=>
        let #load = move || {
            #(#copies)*
            async move #block
        };
        #read
    }
}

/// A type that cannot be copied is reported where the user wrote it.
fn copy(cached: &Cached, Copied { name, inside, ty, conditions, .. }: &Copied) -> TokenStream {
    let at = ty.resolved_at(Span::mixed_site());
    let private = private(&cached.args, at);
    let mut copied = name.clone();
    copied.set_span(ty.resolved_at(name.span()));
    let own = quote_spanned!(at=> #private::own(#copied));
    quote_spanned!(Span::mixed_site()=> #(#conditions)* let #inside = #own;)
}

/// The block of the body. The `return` that never runs gives it its type, so that a mistake in the body is reported in
/// the body; without a value, it is reported at the return type.
fn block(cached: &Cached, before: &TokenStream) -> Group {
    let output = cached.target.output().map(|output| replace_opaque(output, &quote!(_)));
    let statements = &cached.target.body;
    let inside = quote_spanned! {Span::mixed_site()=>
        #before
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop, clippy::let_unit_value,
            reason = "never runs: it tells the compiler the type of this block")]
        if false { let __r: #output = loop {}; return __r; }
        #statements
    };
    let mut block = Group::new(Delimiter::Brace, inside);
    let (first, _) = ends(cached);
    block.set_span(first.resolved_at(Span::mixed_site()));
    block
}

/// Where the return type begins and ends.
fn ends(cached: &Cached) -> (Span, Span) {
    super::ends(cached.target.output())
}

/// Where the call stands: on the codec, for what that lacks, or else on the return type, as does what a type lacks that
/// cannot be cached.
fn place(cached: &Cached) -> (Ident, Span, Span) {
    let (first, last) = ends(cached);
    let codec = cached.args.codec.as_ref().map(|codec| codec.value.span().resolved_at(Span::mixed_site()));
    let (start, end) = codec.map_or((first, last), |codec| (codec, codec));
    (Ident::new("__plan", codec.unwrap_or_else(Span::mixed_site)), start, end)
}

/// The call without hooks.
fn read(cached: &Cached, body: &Ident) -> TokenStream {
    let (first, last) = ends(cached);
    let (plan, start, end) = place(cached);
    // Where the bound fails that only this call has, the compiler says it at the call and at the `.await`: on one token
    // these are one error.
    let (read, last, end) = if cached.args.fails_closed() || cached.args.sheds().is_some() {
        ("read_or_fail", first, start)
    } else {
        ("read", last, end)
    };
    let read = Ident::new(read, start);
    let kind = kind(cached, "kind_of", body, (first, last));
    let private = private(&cached.args, start);
    quote_spanned!(end=> #private::#read(#plan, #kind, #body).await)
}

/// A call with hooks.
struct Call<'c> {
    body: &'c Ident,
    kind_of: &'static str,
    read: &'static str,
}

fn with_hooks(cached: &Cached, call: &Call, hooks: &TokenStream) -> TokenStream {
    let (first, last) = ends(cached);
    let (plan, start, end) = place(cached);
    let (local, of) = (local("__kind"), private(&cached.args, first));
    let found = kind(cached, call.kind_of, call.body, (first, last));
    let hooks = quote_spanned!(last=> #of::hooks(#local) #hooks);
    let read = Ident::new(call.read, start);
    let body = call.body;
    let private = private(&cached.args, start);
    let read = quote_spanned!(end=> #private::#read(#plan, #hooks, #body).await);
    quote_spanned!(Span::mixed_site()=> let #local = #found; #read)
}

/// What tells by type how the value is returned, and whether it can be compared.
fn kind(cached: &Cached, kind_of: &str, body: &Ident, (first, last): (Span, Span)) -> TokenStream {
    let private = private(&cached.args, first);
    let kind_of = Ident::new(kind_of, first);
    let kind = quote_spanned!(first=> #private::#kind_of(&#body));
    let unshared = is_unshared(&cached.target).then(|| quote_spanned!(first=> .unshared()));
    quote_spanned!(last=> #kind #unshared.kind().compared())
}

fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

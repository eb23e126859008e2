//! The arguments that say how: setters of the plan, and hooks of the read for those that look at what is returned.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::private;
use crate::args::{Arg, Args, Lock, Shape};
use crate::duration::Period;
use crate::names::Names;
use crate::runtime_path::RuntimePath;
use crate::target::word;
use crate::validate::Cached;
use crate::values::Ttl;

/// Method calls on a plan or on hooks. Each stands where the user wrote its argument, so that a wrong type is reported
/// there.
#[derive(Default)]
struct Calls(TokenStream);

impl Calls {
    fn call(&mut self, at: &Ident, method: &str, arguments: &TokenStream) {
        let method = Ident::new(method, at.span());
        self.0.extend(quote_spanned!(Span::mixed_site()=> .#method #arguments));
    }

    fn duration(&mut self, method: &str, period: Option<&Arg<Period>>, args: &Args) {
        if let Some(Arg { name, value }) = period {
            self.call(name, method, &duration(value, args));
        }
    }
}

/// The setters for a read.
pub(super) fn of_read(args: &Args) -> TokenStream {
    let mut calls = Calls(of_entry(args));
    for (method, period) in [("timeout", &args.timeout), ("none_ttl", &args.none_ttl), ("err_ttl", &args.err_ttl)] {
        calls.duration(method, period.as_ref(), args);
    }
    if let Some(Arg { name, value: beta }) = &args.early_refresh {
        calls.call(name, "early_refresh", &quote!((#beta)));
    }
    if let Some(name) = args.sheds() {
        calls.call(name, "shed", &quote!(()));
    }
    calls.0
}

/// The setters for an entry, which runs no body: how a value is stored, and how long.
pub(super) fn of_entry(args: &Args) -> TokenStream {
    let mut calls = Calls::default();
    if let Some(Arg { name, value: Ttl::Fixed(ttl) }) = &args.ttl {
        calls.call(name, "ttl", &duration(ttl, args));
    }
    if let Some(Arg { name, value: share }) = &args.jitter {
        calls.call(name, "jitter", &quote!((#share)));
    }
    if let Some(Arg { name, value: Lock::On { wait, lease } }) = &args.lock {
        calls.call(name, "lock", &quote!(()));
        calls.duration("lock_wait", wait.as_ref(), args);
        calls.duration("lock_lease", lease.as_ref(), args);
    }
    calls.duration("stale_while_revalidate", args.stale_while_revalidate.as_ref(), args);
    calls.duration("stale_if_error", args.stale_if_error.as_ref(), args);
    if let Some(Arg { name, value: codec }) = &args.codec {
        calls.call(name, "codec", &quote!(::<#codec>()));
    }
    if let Some(Arg { name, value: shape }) = &args.shape {
        let private = private(args, Span::mixed_site());
        let shape = match shape {
            Shape::Exact => quote!(Exact),
            Shape::Compatible => quote!(Compatible),
        };
        calls.call(name, "shape", &quote_spanned!(Span::mixed_site()=> (#private::Shape::#shape)));
    }
    calls.0
}

const NOT_SELF_DESCRIBING: &str = "the codec is not self-describing, so it cannot tell one shape of a type from \
    another: leave `shape` out, or name a codec that is, as in `codec = MessagePack`";

/// `shape = "compatible"` beside a codec that cannot do that is an error at `shape`. A constant cannot name the
/// function's parameters or `Self`, so of a codec that does the runtime says it.
///
/// Input:  `codec = Json, shape = "compatible"`
/// Output: `const _: () = assert!(<Json as Codec>::SELF_DESCRIBING, "the codec is not …");`
pub(super) fn self_describing(cached: &Cached) -> Option<TokenStream> {
    let Cached { args, target, .. } = cached;
    let Arg { name, .. } = args.shape.as_ref().filter(|shape| shape.value == Shape::Compatible)?;
    let codec = &args.codec.as_ref()?.value;
    let named = Names::of(codec);
    let mut parameters = target.sig.generics.type_params().map(|parameter| word(&parameter.ident));
    if named.has("Self") || parameters.any(|parameter| named.has(&parameter)) {
        return None;
    }
    let at = name.span().resolved_at(Span::mixed_site());
    let runtime = RuntimePath::new(args).at(at);
    Some(quote_spanned! {at=>
        const _: () = ::core::assert!(
            <#codec as #runtime::Codec>::SELF_DESCRIBING,
            #NOT_SELF_DESCRIBING
        );
    })
}

/// The duration as the one argument of a setter.
fn duration(period: &Period, args: &Args) -> TokenStream {
    match period {
        Period::Expr(value) => quote!((#value)),
        Period::Millis(millis, span) => {
            let private = private(args, *span);
            quote_spanned!(*span=> (#private::millis(#millis)))
        }
    }
}

/// What is called on the hooks; nothing where no argument needs them. Closures are arguments as they stand, so that the
/// compiler knows what they are called with.
///
/// Input:  `cache_if = |user| user.is_active, none_ttl = 30, share_errors = true, timeout = "2s"`
/// Output: `.cache_if(|user| user.is_active).none().share_errors(errors_of(kind)).late(timed_out(kind))`
pub(super) fn hooks(args: &Args, kind: &Ident, returned: Span) -> Option<TokenStream> {
    let mut calls = Calls::default();
    if let Some(Arg { name, value: passes }) = &args.cache_if {
        calls.call(name, "cache_if", &quote!((#passes)));
    }
    if let Some(Arg { name, value: Ttl::OfValue(ttl) }) = &args.ttl {
        calls.call(name, "ttl_of", &quote!((#ttl)));
    }
    for (method, period) in [("none", &args.none_ttl), ("failures", &args.err_ttl)] {
        if let Some(Arg { name, .. }) = period {
            calls.call(name, method, &quote!(()));
        }
    }
    if let Some(name) = args.shares_errors() {
        let at = name.span().resolved_at(Span::mixed_site());
        let private = private(args, at);
        let mut kind = kind.clone();
        kind.set_span(at);
        calls.call(name, "share_errors", &quote_spanned!(at=> (#private::errors_of(#kind))));
    }
    if let Some(Arg { name, .. }) = &args.timeout {
        let at = name.span().resolved_at(Span::mixed_site());
        let (private, kind) = (private(args, at), Ident::new(&kind.to_string(), at));
        // Where an old value is kept, a late caller has that, and need not have an error.
        let late = if args.keeps_stale() {
            quote_spanned!(at=> #private::late_of(#kind).late())
        } else {
            quote_spanned!(at=> #private::timed_out(#kind))
        };
        calls.call(name, "late", &quote_spanned!(at=> (#late)));
    }
    if calls.0.is_empty() && args.detached_by().is_none() {
        return None;
    }
    if args.fails_closed() || args.sheds().is_some() {
        calls.call(&Ident::new("or_fail", returned), "or_fail", &quote!(()));
    }
    Some(calls.0)
}

//! The signature of the entry function: of all that the cached function takes, what its key needs.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{
    Attribute, FnArg, GenericParam, Generics, Pat, PatWild, Token, Type, TypeParamBound, WhereClause, WherePredicate,
};

use crate::args::{Arg, Args, EntryName, Lock};
use crate::duration::Period;
use crate::names::{Names, replace_lifetimes, replace_opaque};
use crate::runtime_path::RuntimePath;
use crate::target::{Target, conditions, each_name, word};
use crate::validate::{Cached, Part};
use crate::values::Ttl;

/// What the entry function looks like; `expand` writes it.
pub(crate) struct EntrySignature {
    /// The `#[cfg(…)]` of the cached function: the two come and go together.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) inputs: Vec<FnArg>,
    /// What the cached function yields. An entry holds no borrow, so every lifetime in it is `'static`; and no error, so
    /// one without a name may be any.
    pub(crate) output: TokenStream,
}

impl EntrySignature {
    /// The signature, unless the user wants none or it cannot be written.
    pub(crate) fn new(cached: &Cached) -> Option<Self> {
        let Cached { args, target, .. } = cached;
        let name = name(args, target)?;
        let error = RuntimePath::new(args).at(Span::mixed_site());
        let output = replace_opaque(target.output()?, &quote_spanned!(Span::mixed_site()=> #error::Error));
        let output = replace_lifetimes(output, &|_| Some("'static"));
        let mut used = Names::of(&output);
        let mut inputs = inputs(cached);
        for input in &inputs {
            used.add(input);
        }
        add_expressions(&mut used, args);
        add_constants(&mut used, cached);
        let (generics, gone) = generics(&target.sig.generics, used);
        elide(&mut inputs, &gone);
        let attrs = conditions(&target.attrs).into_iter().cloned().collect();
        Some(Self { attrs, name, generics, inputs, output })
    }
}

fn name(args: &Args, target: &Target) -> Option<Ident> {
    let function = &target.sig.ident;
    match args.entry.as_ref().map(|entry| &entry.value) {
        Some(EntryName::Named(name)) => (name != function).then(|| name.clone()),
        Some(EntryName::Omitted) => None,
        // What was meant by an unreadable `entry` is unknown.
        None if args.given("entry") => None,
        // The other attribute makes it.
        None if target.cached_again().is_some() => None,
        // Most such methods are in an `impl` of a trait, where there is no room for one.
        None if target.is_of_async_trait() => None,
        None | Some(EntryName::Default) => Some(format_ident!("{}_entry", word(function), span = function.span())),
    }
}

/// The parameters that the key or an expression among the arguments names, in their order; a method keeps its `self`.
///
/// Input:  `&mut self, db: &Db, mut id: u64, (page, size): (u32, u32)` and the template `<id>:<page>`
/// Output: `&self, id: u64, (page, _): (u32, u32)`
fn inputs(cached: &Cached) -> Vec<FnArg> {
    let mut used = Names::default();
    add_expressions(&mut used, &cached.args);
    used.0.extend(cached.key.iter().filter_map(Part::word));
    let mut inputs = Vec::new();
    for (index, input) in cached.target.sig.inputs.iter().enumerate() {
        let mut of_input = cached.target.bindings.iter().filter(|binding| binding.input == index);
        match input {
            FnArg::Receiver(receiver) => {
                let this = receiver.self_token;
                inputs.push(syn::parse_quote_spanned!(this.span=> &#this));
            }
            FnArg::Typed(typed) if of_input.any(|binding| used.has(&binding.word())) => {
                let mut typed = typed.clone();
                each_name(&mut typed.pat, &mut |pat| strip(pat, &used));
                inputs.push(FnArg::Typed(typed));
            }
            FnArg::Typed(_) => {}
        }
    }
    inputs
}

/// Takes what would warn as unused out of a pattern: names that the key does not need, and `mut`.
fn strip(pat: &mut Pat, used: &Names) {
    let Pat::Ident(name) = pat else { return };
    if used.has(&word(&name.ident)) {
        name.mutability = None;
        return;
    }
    *pat = Pat::Wild(PatWild { attrs: Vec::new(), underscore_token: Token![_](name.ident.span()) });
}

/// Adds what the user's own expressions name, of the arguments that an entry needs.
fn add_expressions(names: &mut Names, args: &Args) {
    let mut periods: Vec<&Period> = Vec::new();
    if let Some(Arg { value: Ttl::Fixed(ttl), .. }) = &args.ttl {
        periods.push(ttl);
    }
    if let Some(Arg { value: Lock::On { wait, lease }, .. }) = &args.lock {
        periods.extend(wait.iter().chain(lease).map(|option| &option.value));
    }
    periods.extend(args.stale_while_revalidate.iter().chain(&args.stale_if_error).map(|stale| &stale.value));
    for period in periods {
        if let Period::Expr(value) = period {
            names.add(value);
        }
    }
    args.jitter.iter().chain(&args.cache).for_each(|expr| names.add(&expr.value));
    args.codec.iter().for_each(|codec| names.add(&codec.value));
}

/// Adds the generics that constants in the key are of, and what the bounds on these name: a constant is found through them.
///
/// Input:  the template `<T::NAME>:<id>` of `<D, T> … where T: Row<D>`
/// Output: `T`, `Row`, `D`
fn add_constants(names: &mut Names, cached: &Cached) {
    let generics: Vec<_> = cached.key.iter().filter_map(Part::generic).collect();
    let bounds = cached.target.sig.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    for bound in bounds {
        if let WherePredicate::Type(of) = bound
            && generics.iter().any(|generic| Names::of(&of.bounded_ty).has(generic))
        {
            names.add(bound);
        }
    }
    names.0.extend(generics.into_iter().map(str::to_owned));
}

/// The generics that the rest of the signature needs, and the names of the others: a type that only a skipped parameter
/// has could not be inferred where the entry function is called, and a lifetime that binds nothing says nothing.
///
/// Input:  `<'c, D: Load<T>, T> … where D: Clone, T: Clone`, used: `'c`, `T`
/// Output: `<T> … where T: Clone`, and `'c`, `D`
fn generics(all: &Generics, mut used: Names) -> (Generics, HashSet<String>) {
    used.0.retain(|name| !name.starts_with('\''));
    let mut kept = HashSet::new();
    let is_new = |param: &&GenericParam, used: &Names, kept: &HashSet<_>| {
        used.has(&name_of(param)) && !kept.contains(&name_of(param))
    };
    while let Some(more) = all.params.iter().find(|param| is_new(param, &used, &kept)) {
        kept.insert(name_of(more));
        used.add(more);
    }
    let (kept, gone): (Vec<_>, Vec<_>) = all.params.iter().partition(|param| kept.contains(&name_of(param)));
    let gone: HashSet<_> = gone.into_iter().map(name_of).collect();
    let where_clause = all.where_clause.as_ref().map(|clause| {
        let needed = clause.predicates.iter().filter_map(|predicate| without(predicate, &gone));
        WhereClause { where_token: clause.where_token, predicates: needed.collect() }
    });
    let params = kept.into_iter().cloned().collect();
    (Generics { lt_token: all.lt_token, params, gt_token: all.gt_token, where_clause }, gone)
}

/// A predicate without the lifetimes that are gone; nothing where nothing is left, or it is about a type that is gone.
///
/// Input:  `T: 'async_trait + Clone`, gone: `'async_trait`
/// Output: `T: Clone`
fn without(predicate: &WherePredicate, gone: &HashSet<String>) -> Option<WherePredicate> {
    let mut predicate = predicate.clone();
    if let WherePredicate::Type(of) = &mut predicate {
        let is_kept = |bound: &TypeParamBound| match bound {
            TypeParamBound::Lifetime(lifetime) => !gone.contains(&lifetime.to_string()),
            _ => true,
        };
        of.bounds = std::mem::take(&mut of.bounds).into_iter().filter(is_kept).collect();
        if of.bounds.is_empty() {
            return None;
        }
    }
    Names::of(&predicate).0.is_disjoint(gone).then_some(predicate)
}

fn name_of(param: &GenericParam) -> String {
    match param {
        GenericParam::Lifetime(param) => param.lifetime.to_string(),
        GenericParam::Type(param) => word(&param.ident),
        GenericParam::Const(param) => word(&param.ident),
    }
}

/// Input:  `name: &'n str`, gone: `'n`
/// Output: `name: &'_ str`
fn elide(inputs: &mut [FnArg], gone: &HashSet<String>) {
    for input in inputs {
        if let FnArg::Typed(typed) = input {
            let elided = replace_lifetimes(&typed.ty, &|name| gone.contains(name?).then_some("'_"));
            *typed.ty = Type::Verbatim(elided);
        }
    }
}

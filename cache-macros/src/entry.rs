//! The signature of the entry function: of all that the cached function takes, what its key needs.

use std::collections::HashSet;

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::punctuated::Punctuated;
use syn::{Attribute, FnArg, GenericParam, Generics, Pat, PatWild, Token, WhereClause};

use crate::args::{Arg, EntryName, Lock};
use crate::duration::Period;
use crate::target::{each_name, word};
use crate::validate::{Cached, Part};

/// What the entry function looks like; `expand` writes it.
pub(crate) struct EntrySignature {
    /// The `#[cfg(…)]` of the cached function: the two come and go together.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) inputs: Vec<FnArg>,
    /// The return type, holding no borrow.
    pub(crate) output: TokenStream,
}

impl EntrySignature {
    /// The signature, unless the user wants none or it cannot be written.
    pub(crate) fn new(cached: &Cached) -> Option<Self> {
        let Cached { args, target, .. } = cached;
        let name = match args.entry.as_ref().map(|entry| &entry.value) {
            Some(EntryName::Omitted) => return None,
            Some(EntryName::Named(name)) => name.clone(),
            None if args.given("entry") => return None,
            None | Some(EntryName::Default) => {
                let name = &target.sig.ident;
                format_ident!("{}_entry", word(name), span = name.span())
            }
        };
        let output = without_borrows(target.output()?.to_token_stream());
        let mut used = Words::default();
        used.add_expressions(cached);
        let inputs = inputs(cached, &used);
        inputs.iter().for_each(|input| used.add(input));
        used.add(&output);
        if Words::of(&output).0.contains("impl") {
            return None;
        }
        let generics = generics(&target.sig.generics, used);
        let attrs = target
            .attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"))
            .cloned()
            .collect();
        Some(Self {
            attrs,
            name,
            generics,
            inputs,
            output,
        })
    }
}

/// The parameters that the key or an expression among the arguments names, in their order; a method keeps its `self`.
///
/// Input:  `&mut self, db: &Db, mut id: u64, (page, size): (u32, u32)` and the template `<id>:<page>`
/// Output: `&self, id: u64, (page, _): (u32, u32)`
fn inputs(cached: &Cached, used: &Words) -> Vec<FnArg> {
    let mut inputs = Vec::new();
    for (index, input) in cached.target.sig.inputs.iter().enumerate() {
        let mut of_input = cached.target.bindings.iter().filter(|binding| binding.input == index);
        match input {
            FnArg::Receiver(receiver) => {
                let this = receiver.self_token;
                inputs.push(syn::parse_quote_spanned!(this.span=> &#this));
            }
            FnArg::Typed(typed) if of_input.any(|binding| used.0.contains(&binding.word())) => {
                let mut typed = typed.clone();
                each_name(&mut typed.pat, &mut |pat| strip(pat, used));
                inputs.push(FnArg::Typed(typed));
            }
            FnArg::Typed(_) => {}
        }
    }
    inputs
}

/// Takes what would warn as unused out of a pattern: names that the key does not need, and `mut`.
fn strip(pat: &mut Pat, used: &Words) {
    let Pat::Ident(name) = pat else { return };
    if used.0.contains(&word(&name.ident)) {
        name.mutability = None;
        return;
    }
    *pat = Pat::Wild(PatWild {
        attrs: Vec::new(),
        underscore_token: Token![_](name.ident.span()),
    });
}

/// The generics that the rest of the signature needs: a type that only a skipped parameter has could not be inferred
/// where the entry function is called.
///
/// Input:  `<'c, D: Load<T>, T> … where D: Clone, T: Clone`, needed: `T`
/// Output: `<T> … where T: Clone`
fn generics(all: &Generics, mut used: Words) -> Generics {
    let mut kept = HashSet::new();
    while let Some(more) = all
        .params
        .iter()
        .find(|param| used.has(param) && !kept.contains(&name_of(param)))
    {
        kept.insert(name_of(more));
        used.add(more);
    }
    let dropped = |param: &&GenericParam| !kept.contains(&name_of(param));
    let gone: Vec<_> = all.params.iter().filter(dropped).map(name_of).collect();
    let params: Punctuated<_, _> = all
        .params
        .iter()
        .filter(|param| kept.contains(&name_of(param)))
        .cloned()
        .collect();
    let where_clause = all.where_clause.as_ref().map(|clause| WhereClause {
        where_token: clause.where_token,
        predicates: clause
            .predicates
            .iter()
            .filter(|predicate| gone.iter().all(|name| !Words::of(predicate).0.contains(name)))
            .cloned()
            .collect(),
    });
    Generics {
        lt_token: all.lt_token,
        params,
        gt_token: all.gt_token,
        where_clause,
    }
}

fn name_of(param: &GenericParam) -> String {
    match param {
        GenericParam::Lifetime(param) => param.lifetime.to_string(),
        GenericParam::Type(param) => word(&param.ident),
        GenericParam::Const(param) => word(&param.ident),
    }
}

/// An entry holds no borrow, so every lifetime in the return type becomes `'static`.
///
/// Input:  `Result<Cow<'a, str>, &Error>`
/// Output: `Result<Cow<'static, str>, &'static Error>`
fn without_borrows(output: TokenStream) -> TokenStream {
    let mut tokens = output.into_iter().peekable();
    let mut owned = TokenStream::new();
    while let Some(token) = tokens.next() {
        let is = |mark: char| matches!(&token, TokenTree::Punct(punct) if punct.as_char() == mark);
        let is_reference = is('&') && !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'');
        if is('\'') {
            let named = tokens.next();
            let span = named.map_or_else(|| token.span(), |name| name.span());
            owned.extend(syn::Lifetime::new("'static", span).into_token_stream());
            continue;
        }
        if let TokenTree::Group(group) = &token
            && group.delimiter() != Delimiter::Brace
        {
            let mut inside = proc_macro2::Group::new(group.delimiter(), without_borrows(group.stream()));
            inside.set_span(group.span());
            owned.extend([TokenTree::Group(inside)]);
            continue;
        }
        let span = token.span();
        owned.extend([token]);
        if is_reference {
            owned.extend(syn::Lifetime::new("'static", span).into_token_stream());
        }
    }
    owned
}

/// The names in some tokens: identifiers, except for fields and methods behind a `.`, and lifetimes with their `'`.
#[derive(Default)]
struct Words(HashSet<String>);

impl Words {
    fn of(tokens: impl ToTokens) -> Self {
        let mut words = Self::default();
        words.add(tokens);
        words
    }

    fn has(&self, param: &GenericParam) -> bool {
        self.0.contains(&name_of(param))
    }

    fn add(&mut self, tokens: impl ToTokens) {
        let mut before = None;
        for token in tokens.into_token_stream() {
            match &token {
                TokenTree::Ident(name) => match before {
                    Some('.') => {}
                    Some('\'') => drop(self.0.insert(format!("'{name}"))),
                    _ => drop(self.0.insert(word(name))),
                },
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            before = match (&token, before) {
                // The second dot of a range does not lead to a field.
                (TokenTree::Punct(punct), Some('.')) if punct.as_char() == '.' => None,
                (TokenTree::Punct(punct), _) => Some(punct.as_char()),
                _ => None,
            };
        }
    }

    /// What the plan names: the values in the key, and the user's own expressions.
    fn add_expressions(&mut self, cached: &Cached) {
        let Cached { args, key, .. } = cached;
        for part in key {
            if let Part::Value { binding, .. } = part {
                self.0.insert(binding.word());
            }
        }
        let mut periods: Vec<&Arg<Period>> = args.ttl.iter().collect();
        if let Some(Arg {
            value: Lock::On { wait, lease },
            ..
        }) = &args.lock
        {
            periods.extend(wait.iter().chain(lease));
        }
        for period in periods {
            if let Period::Expr(value) = &period.value {
                self.add(value);
            }
        }
        args.jitter
            .iter()
            .chain(&args.cache)
            .for_each(|expr| self.add(&expr.value));
        args.codec.iter().for_each(|codec| self.add(&codec.value));
    }
}

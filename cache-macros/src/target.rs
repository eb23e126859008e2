//! The function under the attribute: its signature parsed, its body left as it is.
//!
//! The body stays a list of tokens, so that a half-typed one is reported by rustc, once and in its place.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{AttrStyle, Attribute, FnArg, Ident, Pat, PatIdent, ReturnType, Signature, Token, Type, Visibility, braced};

use crate::returned::{self, Returned};

/// A function that is to be cached.
pub(crate) struct Target {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The statements whose value is cached, without the braces around them.
    pub(crate) body: TokenStream,
    /// How they are returned, by a function that is not `async`.
    pub(crate) returned: Option<Returned>,
    /// What the function's future yields.
    output: Option<Type>,
    pub(crate) bindings: Vec<Binding>,
}

/// A name that a parameter brings: `id`, each name of a pattern, or `self`.
#[derive(Clone)]
pub(crate) struct Binding {
    pub(crate) name: Ident,
    /// Which of the signature's inputs brings it.
    pub(crate) input: usize,
}

impl Binding {
    /// The name as a template says it.
    pub(crate) fn word(&self) -> String {
        word(&self.name)
    }
}

/// Each `#[cfg(…)]` among these.
pub(crate) fn conditions(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

/// A name without `r#`.
pub(crate) fn word(name: &Ident) -> String {
    name.unraw().to_string()
}

impl Parse for Target {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let mut sig = signature(input)?;
        if input.peek(Token![;]) {
            let message = format!("`{}` has no body here: put the attribute on a function that has one", sig.ident);
            return Err(input.error(message));
        }
        let content;
        braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        attrs.extend(inner.into_iter().map(|attr| Attribute { style: AttrStyle::Outer, ..attr }));
        let mut body: TokenStream = content.parse()?;
        let mut returned = None;
        if let (None, Some((way, statements))) = (sig.asyncness, Returned::parse(&body)) {
            body = statements;
            if returned::is_of_async_trait(&sig) {
                body = returned::restore_patterns(&mut sig, body);
            }
            returned = Some(way);
        }
        let output = match &sig.output {
            ReturnType::Type(_, output) if returned.is_none() => Some((**output).clone()),
            _ => returned::output(&sig).filter(|_| returned.is_some()),
        };
        let bindings = bindings(&sig);
        Ok(Self { attrs, vis, sig, body, returned, output, bindings })
    }
}

impl Target {
    pub(crate) fn binding(&self, word: &str) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.word() == word)
    }

    /// Each `#[cfg(…)]` of the parameter that brings this name.
    pub(crate) fn conditions(&self, binding: &Binding) -> Vec<&Attribute> {
        let attrs = match self.sig.inputs.iter().nth(binding.input) {
            Some(FnArg::Receiver(receiver)) => receiver.attrs.as_slice(),
            Some(FnArg::Typed(typed)) => typed.attrs.as_slice(),
            None => &[],
        };
        conditions(attrs)
    }

    /// What the function's future yields.
    pub(crate) fn output(&self) -> Option<&Type> {
        self.output.as_ref()
    }

    /// A second attribute of this kind, below.
    pub(crate) fn cached_again(&self) -> Option<&Attribute> {
        let is_again = |attr: &&Attribute| attr.path().segments.last().is_some_and(|last| last.ident == "redis_cached");
        self.attrs.iter().find(is_again)
    }

    /// Whether `#[async_trait]` has been here: then this is in a trait or in an `impl` of one.
    pub(crate) fn is_of_async_trait(&self) -> bool {
        self.returned.is_some() && returned::is_of_async_trait(&self.sig)
    }
}

fn signature(input: ParseStream) -> syn::Result<Signature> {
    let start = input.span();
    input.parse().map_err(|_| {
        let message = "`#[redis_cached]` goes on an async function: `async fn load(id: u64) -> User { … }`";
        syn::Error::new(start, message)
    })
}

fn bindings(sig: &Signature) -> Vec<Binding> {
    let mut bindings = Vec::new();
    for (input, argument) in sig.inputs.iter().enumerate() {
        match argument {
            FnArg::Receiver(receiver) => {
                let name = Ident::new("self", receiver.self_token.span);
                bindings.push(Binding { name, input });
            }
            FnArg::Typed(typed) => each_name(&mut typed.pat.clone(), &mut |pat| {
                let Pat::Ident(PatIdent { ident, .. }) = &*pat else { return };
                // Every case of an or-pattern binds the same names; and what async-trait names was `_`.
                let is_wild = returned::is_of_async_trait(sig) && returned::positional(pat).is_some();
                if !is_wild && !bindings.iter().any(|binding: &Binding| binding.name == *ident) {
                    bindings.push(Binding { name: ident.clone(), input });
                }
            }),
        }
    }
    bindings
}

/// Calls `found` with each place of a pattern that binds a name.
pub(crate) fn each_name(pat: &mut Pat, found: &mut dyn FnMut(&mut Pat)) {
    match pat {
        Pat::Ident(PatIdent { subpat: inner, .. }) => {
            let inner = inner.take();
            found(pat);
            let Some((at, mut inner)) = inner else { return };
            each_name(&mut inner, found);
            match pat {
                Pat::Ident(outer) => outer.subpat = Some((at, inner)),
                gone => *gone = *inner,
            }
        }
        Pat::Paren(pat) => each_name(&mut pat.pat, found),
        Pat::Reference(pat) => each_name(&mut pat.pat, found),
        Pat::Type(pat) => each_name(&mut pat.pat, found),
        Pat::Slice(pat) => pat.elems.iter_mut().for_each(|pat| each_name(pat, found)),
        Pat::Tuple(pat) => pat.elems.iter_mut().for_each(|pat| each_name(pat, found)),
        Pat::TupleStruct(pat) => pat.elems.iter_mut().for_each(|pat| each_name(pat, found)),
        Pat::Struct(pat) => pat.fields.iter_mut().for_each(|field| {
            each_name(&mut field.pat, found);
            if !matches!(*field.pat, Pat::Ident(_)) {
                field.colon_token.get_or_insert_default();
            }
        }),
        Pat::Or(pat) => pat.cases.iter_mut().for_each(|pat| each_name(pat, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(function: &str) -> Vec<String> {
        let target: Target = syn::parse_str(function).unwrap();
        target.bindings.iter().map(Binding::word).collect()
    }

    #[test]
    fn every_name_that_a_parameter_brings_is_found() {
        for (function, expected) in [
            ("async fn f() {}", &[] as &[&str]),
            ("async fn f(&self, db: &Db, mut id: u64) {}", &["self", "db", "id"]),
            ("async fn f(self: Arc<Self>, r#type: u8) {}", &["self", "type"]),
            ("async fn f((a, b): (u8, u8), [c, .., d]: [u8; 4], _: u8) {}", &["a", "b", "c", "d"]),
            ("async fn f(User { id, name: n, .. }: User, Path(x): Path<u8>) {}", &["id", "n", "x"]),
            ("async fn f(&y: &u8, all @ (one, _): (u8, u8)) {}", &["y", "all", "one"]),
        ] {
            assert_eq!(words(function), expected, "{function}");
        }
    }

    #[test]
    fn a_body_may_be_anything_between_braces() {
        let target: Target = syn::parse_str("async fn f() { #![allow(dead_code)] let x = ; }").unwrap();
        assert_eq!(target.body.to_string(), "let x = ;");
        assert_eq!(target.attrs.len(), 1);
    }

    #[test]
    fn what_is_no_function_with_a_body_is_refused() {
        let error = |item: &str| syn::parse_str::<Target>(item).err().map(|error| error.to_string());
        let message = error("struct S;").unwrap();
        assert!(message.starts_with("`#[redis_cached]` goes on an async function"), "{message}");
        let message = error("async fn get(&self) -> u8;").unwrap();
        assert!(message.starts_with("`get` has no body here"), "{message}");
    }
}

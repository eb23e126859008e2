//! Functions that are not `async` and return the future of an async block: what `#[async_trait]` and its like make of an
//! async function before any attribute below them sees it, and what one writes by hand for a recursion.
//!
//! They are told by their last expression, `Box::pin(async move { … })` or `async move { … }`, never by the name of a
//! type; so tracing-attributes does it too.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{FnArg, GenericArgument, GenericParam, Pat, PathArguments, ReturnType, Signature, Type, TypeParamBound};
use syn::{parse::Parser as _, parse_quote};

/// The way from a function's body to the block that is its future's.
pub(crate) struct Returned {
    /// The statements before the last expression; they run at every call.
    pub(crate) before: TokenStream,
    /// `Box::pin`, by whatever path.
    pub(crate) pin: Option<TokenStream>,
    /// `async move`
    pub(crate) keywords: TokenStream,
}

impl Returned {
    /// Takes a body apart, and returns the statements of the block as well.
    ///
    /// Input:  `let db = self.db.clone(); Box::pin(async move { db.user(id).await })`
    /// Output: before: `let db = self.db.clone();`, pin: `Box::pin`, keywords: `async move`, and `db.user(id).await`
    pub(crate) fn parse(body: &TokenStream) -> Option<(Self, TokenStream)> {
        let mut tokens: Vec<TokenTree> = body.clone().into_iter().collect();
        let last = group(tokens.pop()?)?;
        if last.delimiter() == Delimiter::Brace {
            let keywords = take_keywords(&mut tokens)?;
            let before = tokens.into_iter().collect();
            return Some((Self { before, pin: None, keywords }, last.stream()));
        }
        let mut inside: Vec<TokenTree> = last.stream().into_iter().collect();
        let block = group(inside.pop()?)?;
        let keywords = take_keywords(&mut inside)?;
        if block.delimiter() != Delimiter::Brace || !inside.is_empty() || last.delimiter() != Delimiter::Parenthesis {
            return None;
        }
        let is_of_path = |token: &TokenTree| match token {
            TokenTree::Ident(_) => true,
            TokenTree::Punct(mark) => mark.as_char() == ':',
            _ => false,
        };
        let path = tokens.iter().rposition(|token| !is_of_path(token)).map_or(0, |before| before + 1);
        let is_pin = matches!(tokens.last(), Some(TokenTree::Ident(function)) if function == "pin");
        let pin: TokenStream = tokens.split_off(path).into_iter().collect();
        is_pin.then(|| (Self { before: tokens.into_iter().collect(), pin: Some(pin), keywords }, block.stream()))
    }
}

fn group(token: TokenTree) -> Option<Group> {
    match token {
        TokenTree::Group(group) => Some(group),
        _ => None,
    }
}

/// Takes `async` or `async move` from the end.
fn take_keywords(tokens: &mut Vec<TokenTree>) -> Option<TokenStream> {
    let is = |token: Option<&TokenTree>, word: &str| matches!(token, Some(TokenTree::Ident(ident)) if ident == word);
    let moves = is(tokens.last(), "move").then(|| tokens.pop());
    if !is(tokens.last(), "async") {
        return None;
    }
    Some(tokens.pop().into_iter().chain(moves.flatten()).collect())
}

/// What the future of a returned type yields.
///
/// Input:  `Pin<Box<dyn Future<Output = User> + Send>>`; `BoxFuture<'_, User>`
/// Output: `User`; `<BoxFuture<'_, User> as ::core::future::Future>::Output`
pub(crate) fn output(sig: &Signature) -> Option<Type> {
    let ReturnType::Type(_, future) = &sig.output else { return None };
    Some(named_output(future).unwrap_or_else(|| parse_quote!(<#future as ::core::future::Future>::Output)))
}

/// The type behind `Output =`, wherever in a type that stands.
fn named_output(of: &Type) -> Option<Type> {
    let in_bounds = |bound: &TypeParamBound| match bound {
        TypeParamBound::Trait(bound) => in_arguments(&bound.path.segments.last()?.arguments),
        _ => None,
    };
    match of {
        Type::Path(path) => in_arguments(&path.path.segments.last()?.arguments),
        Type::ImplTrait(opaque) => opaque.bounds.iter().find_map(in_bounds),
        Type::TraitObject(object) => object.bounds.iter().find_map(in_bounds),
        Type::Group(group) => named_output(&group.elem),
        Type::Paren(paren) => named_output(&paren.elem),
        _ => None,
    }
}

fn in_arguments(arguments: &PathArguments) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
        GenericArgument::Type(inner) => named_output(inner),
        _ => None,
    })
}

/// Whether this is what `#[async_trait]` made of a method.
pub(crate) fn is_of_async_trait(sig: &Signature) -> bool {
    sig.generics.params.iter().any(|param| match param {
        GenericParam::Lifetime(param) => param.lifetime.ident == "async_trait",
        _ => false,
    })
}

/// Puts the patterns of parameters back where the user wrote them: `#[async_trait]` moves them into the block.
///
/// Input:  `__arg1: Path<u64>` and `let Path(id) = { let __arg1 = __arg1; __arg1 }; …`
/// Output: `Path(id): Path<u64>` and `…`
pub(crate) fn restore_patterns(sig: &mut Signature, statements: TokenStream) -> TokenStream {
    let mut statements: Vec<TokenTree> = statements.into_iter().collect();
    for input in &mut sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let Some(position) = positional(&typed.pat) else { continue };
        // One that is not found was `_`.
        if let Some(pat) = take_pattern(&mut statements, &position) {
            *typed.pat = pat;
        }
    }
    statements.into_iter().collect()
}

/// The name that `#[async_trait]` gives to a parameter that is a pattern.
pub(crate) fn positional(pat: &Pat) -> Option<String> {
    let Pat::Ident(pat) = pat else { return None };
    let name = pat.ident.to_string();
    let number = name.strip_prefix("__arg")?;
    number.parse::<usize>().is_ok().then_some(name)
}

/// Finds `let PATTERN = { … name };`, and takes it out.
fn take_pattern(statements: &mut Vec<TokenTree>, name: &str) -> Option<Pat> {
    let is_value = |token: &TokenTree| match token {
        TokenTree::Group(group) => matches!(group.stream().into_iter().last(), Some(last) if last.to_string() == name),
        _ => false,
    };
    let value = statements.iter().position(is_value)?;
    let start = statements.get(..value)?.iter().rposition(|token| token.to_string() == "let")?;
    let pattern = statements.get(start + 1..value.checked_sub(1)?)?;
    let pattern: TokenStream = pattern.iter().map(ToTokens::to_token_stream).collect();
    let pattern = Pat::parse_multi.parse2(pattern).ok()?;
    statements.drain(start..=value + 1);
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Option<[String; 4]> {
        let (Returned { before, pin, keywords }, statements) = Returned::parse(&body.parse().unwrap())?;
        Some([before, pin.unwrap_or_default(), keywords, statements].map(|tokens| tokens.to_string()))
    }

    #[test]
    fn a_returned_block_is_found_at_the_end() {
        for (body, expected) in [
            ("async move { x }", ["", "", "async move", "x"]),
            ("async { x }", ["", "", "async", "x"]),
            ("let a = b; Box::pin(async move { a })", ["let a = b ;", "Box :: pin", "async move", "a"]),
            ("f(x); ::std::boxed::Box::pin(async {})", ["f (x) ;", ":: std :: boxed :: Box :: pin", "async", ""]),
            ("if x { } async { y }", ["if x { }", "", "async", "y"]),
        ] {
            assert_eq!(parse(body), Some(expected.map(str::to_owned)), "{body}");
        }
    }

    #[test]
    fn other_ends_are_none() {
        for body in
            ["", "x", "{ x }", "move { x }", "Box::pin(f(x))", "Box::pin(async move { x }, y)", "spawn(async { x })"]
        {
            assert_eq!(parse(body), None, "{body}");
        }
    }

    #[test]
    fn what_a_future_yields_is_read_where_it_is_written() {
        for (returned, expected) in [
            ("Pin<Box<dyn Future<Output = Vec<u8>> + Send + 'a>>", "Vec < u8 >"),
            ("impl Send + ::core::future::Future<Output = u8>", "u8"),
            ("BoxFuture<'a, u8>", "< BoxFuture < 'a , u8 > as :: core :: future :: Future > :: Output"),
        ] {
            let sig = syn::parse_str(&format!("fn f() -> {returned}")).unwrap();
            assert_eq!(output(&sig).to_token_stream().to_string(), expected);
        }
    }

    #[test]
    fn patterns_go_back_to_where_they_were() {
        let mut sig = syn::parse_str("fn f(&self, __arg1: Path<u8>, __arg2: (u8, u8), __arg3: u8)").unwrap();
        let moved = "if x {} let Path(a) = { let __arg1 = __arg1; __arg1 }; let (b, mut c) = { __arg2 }; \
                     let __arg3 = __arg3; let d = { e };";
        let statements = restore_patterns(&mut sig, moved.parse().unwrap());
        assert_eq!(statements.to_string(), "if x { } let __arg3 = __arg3 ; let d = { e } ;");
        let inputs = sig.inputs.to_token_stream().to_string();
        assert_eq!(inputs, "& self , Path (a) : Path < u8 > , (b , mut c) : (u8 , u8) , __arg3 : u8");
    }
}

//! The values of the arguments: each reader takes what stands behind the name, and says what is written there instead
//! if it is something else.

use std::fmt::Display;

use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprClosure, Ident, Lit, LitBool, LitStr, Path, Token, Type, parenthesized};

use crate::args::{EntryName, Lock, Shape, comma, set, usage};
use crate::duration::{Period, literal};
use crate::errors::nearest;

/// The largest spread of a TTL: beyond it, values would live less than half as long as the user said.
const MOST_JITTER: f64 = 0.5;

/// The largest beta of an early refresh: at 1.0 a value is refreshed about one run of the body before it expires, and
/// beyond 10.0 it would be refreshed most of the time.
const MOST_EAGER: f64 = 10.0;

/// What `ttl` says.
pub(crate) enum Ttl {
    Fixed(Period),
    /// A closure, from the value.
    OfValue(Expr),
}

pub(crate) fn error_at(tokens: impl ToTokens, message: impl Display) -> syn::Error {
    syn::Error::new_spanned(tokens, message)
}

/// `what`, and how the argument is written instead.
fn misuse(tokens: impl ToTokens, name: &Ident, what: &str) -> syn::Error {
    let usage = usage(&name.to_string()).unwrap_or_default();
    error_at(tokens, format!("{what}: write `{usage}`"))
}

/// Reads `= value`.
pub(crate) fn value<T: Parse>(name: &Ident, input: ParseStream) -> syn::Result<T> {
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Err(misuse(name, name, &format!("`{name}` takes a value after `=`")));
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(misuse(name, name, &format!("`{name}` has no value")));
    }
    input.parse().map_err(|error| {
        // At the end of the attribute there is no token that an error could be at.
        let span = if input.is_empty() { name.span() } else { error.span() };
        let usage = usage(&name.to_string()).unwrap_or_default();
        syn::Error::new(span, format!("this is no value for `{name}`: write `{usage}`"))
    })
}

pub(crate) fn key(name: &Ident, input: ParseStream) -> syn::Result<LitStr> {
    let value: Expr = value(name, input)?;
    match literal(&value) {
        Some(Lit::Str(template)) => Ok(template.clone()),
        _ => Err(misuse(&value, name, "the key is a template in quotes")),
    }
}

pub(crate) fn period(name: &Ident, input: ParseStream) -> syn::Result<Period> {
    Period::new(&name.to_string(), value(name, input)?)
}

pub(crate) fn ttl(name: &Ident, input: ParseStream) -> syn::Result<Ttl> {
    let value: Expr = value(name, input)?;
    let Some(closure) = closure(&value) else {
        return Period::new(&name.to_string(), value).map(Ttl::Fixed);
    };
    of_value(name, closure, "ttl = |value| value.max_age")?;
    Ok(Ttl::OfValue(value))
}

const ASKED: &str = "`cache_if` is a closure, or a function, that is asked about the value";

pub(crate) fn cache_if(name: &Ident, input: ParseStream) -> syn::Result<Expr> {
    let value: Expr = value(name, input)?;
    if let Some(closure) = closure(&value) {
        of_value(name, closure, usage("cache_if").unwrap_or_default())?;
    } else if literal(&value).is_some() {
        return Err(misuse(&value, name, ASKED));
    } else if matches!(value, Expr::Binary(_) | Expr::Unary(_)) {
        return Err(error_at(&value, format!("{ASKED}: write `cache_if = |value| {}`", value.to_token_stream())));
    }
    Ok(value)
}

/// The closure that an expression is, also behind the brackets and invisible groups of a macro.
fn closure(value: &Expr) -> Option<&ExprClosure> {
    match value {
        Expr::Closure(closure) => Some(closure),
        Expr::Group(group) => closure(&group.expr),
        Expr::Paren(paren) => closure(&paren.expr),
        _ => None,
    }
}

/// A closure that is called with a reference to the value.
fn of_value(name: &Ident, closure: &ExprClosure, usage: &str) -> syn::Result<()> {
    if closure.asyncness.is_some() {
        return Err(error_at(closure, format!("the closure of `{name}` is not async: write `{usage}`")));
    }
    if closure.inputs.len() != 1 {
        let message = format!("the closure of `{name}` is called with one thing, the value: write `{usage}`");
        return Err(error_at(closure, message));
    }
    Ok(())
}

pub(crate) fn switch(name: &Ident, input: ParseStream) -> syn::Result<bool> {
    let value: Expr = value(name, input)?;
    match literal(&value) {
        Some(Lit::Bool(LitBool { value, .. })) => Ok(*value),
        _ => Err(misuse(&value, name, &format!("`{name}` is `true` or `false`"))),
    }
}

pub(crate) fn lock(name: &Ident, input: ParseStream) -> syn::Result<Lock> {
    if !input.peek(syn::token::Paren) {
        let value: Expr = value(name, input)?;
        return match literal(&value) {
            Some(Lit::Bool(LitBool { value: true, .. })) => Ok(Lock::On { wait: None, lease: None }),
            Some(Lit::Bool(LitBool { value: false, .. })) => Ok(Lock::Off),
            Some(duration) if Period::new("wait", value.clone()).is_ok() => {
                let cure = format!("did you mean `lock(wait = {})`?", duration.to_token_stream());
                Err(error_at(&value, format!("`lock` is `true` or `false`, and has a duration in parentheses: {cure}")))
            }
            _ => Err(misuse(&value, name, "`lock` is `true` or `false`")),
        };
    }
    let options = in_parentheses(input, lock_options)?;
    match options {
        Lock::On { wait: None, lease: None } => Err(misuse(name, name, "`lock()` says nothing")),
        options => Ok(options),
    }
}

fn lock_options(input: ParseStream) -> syn::Result<Lock> {
    let (mut wait, mut lease) = (None, None);
    while !input.is_empty() {
        let option = Ident::parse_any(input)?;
        let slot = match option.to_string().as_str() {
            "wait" => &mut wait,
            "lease" => &mut lease,
            _ => {
                return Err(error_at(&option, "`lock` has two options: `lock(wait = \"5s\", lease = \"10s\")`"));
            }
        };
        if slot.is_some() {
            return Err(error_at(&option, format!("`{option}` is given twice: keep one of the two")));
        }
        set(slot, option, input, period)?;
        comma(input)?;
    }
    Ok(Lock::On { wait, lease })
}

pub(crate) fn skip(name: &Ident, input: ParseStream) -> syn::Result<Vec<Ident>> {
    if !input.peek(syn::token::Paren) {
        return Err(misuse(name, name, "`skip` takes names in parentheses"));
    }
    in_parentheses(input, |input| {
        let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(input, Ident::parse_any);
        let usage = "`skip` takes the names of parameters: `skip(db, self)`";
        names.map(|names| names.into_iter().collect()).map_err(|error| syn::Error::new(error.span(), usage))
    })
}

/// Reads a list; leaves nothing of one that cannot be read, since syn would report the rest as a second error.
fn in_parentheses<T>(input: ParseStream, read: fn(ParseStream) -> syn::Result<T>) -> syn::Result<T> {
    let content;
    parenthesized!(content in input);
    read(&content).inspect_err(|_| while content.parse::<TokenTree>().is_ok() {})
}

pub(crate) fn jitter(name: &Ident, input: ParseStream) -> syn::Result<Expr> {
    let value: Expr = value(name, input)?;
    match number(&value) {
        None => Ok(value),
        Some(share) if (0.0..=MOST_JITTER).contains(&share) => Ok(float(share, &value)),
        Some(_) => Err(misuse(&value, name, "`jitter` is a share of the TTL, from 0.0 to 0.5")),
    }
}

pub(crate) fn early_refresh(name: &Ident, input: ParseStream) -> syn::Result<Expr> {
    let value: Expr = value(name, input)?;
    match number(&value) {
        None => Ok(value),
        Some(0.0) => Err(error_at(value, "an `early_refresh` of zero refreshes nothing early: leave it out")),
        Some(beta) if beta > 0.0 && beta <= MOST_EAGER => Ok(float(beta, &value)),
        Some(_) => Err(misuse(&value, name, "`early_refresh` is a number above 0.0, and at most 10.0")),
    }
}

/// The number that a literal is, infinite where it is none; nothing for an expression, which is left to rustc.
fn number(value: &Expr) -> Option<f64> {
    let number = match literal(value) {
        Some(Lit::Float(number)) if matches!(number.suffix(), "" | "f64") => number.base10_parse().ok(),
        Some(Lit::Int(number)) if matches!(number.suffix(), "" | "f64") => number.base10_parse().ok(),
        None if !matches!(value, Expr::Unary(_) | Expr::Closure(_)) => return None,
        _ => None,
    };
    Some(number.unwrap_or(f64::INFINITY))
}

fn float(number: f64, at: &Expr) -> Expr {
    syn::parse_quote_spanned!(at.span()=> #number)
}

pub(crate) fn codec(name: &Ident, input: ParseStream) -> syn::Result<Type> {
    if let Ok(literal) = input.fork().parse::<TextValue>() {
        return Err(misuse(literal.0, name, "`codec` is a type"));
    }
    value(name, input)
}

pub(crate) fn shape(name: &Ident, input: ParseStream) -> syn::Result<Shape> {
    const SHAPES: [(&str, Shape); 2] = [("exact", Shape::Exact), ("compatible", Shape::Compatible)];
    let value: Expr = value(name, input)?;
    let word = match (literal(&value), &value) {
        (Some(Lit::Str(text)), _) => text.value(),
        (_, other) => other.to_token_stream().to_string(),
    };
    let is_text = matches!(literal(&value), Some(Lit::Str(_)));
    if let Some((_, shape)) = SHAPES.iter().find(|(text, _)| is_text && *text == word) {
        return Ok(*shape);
    }
    let meant = nearest(&word, SHAPES.map(|(text, _)| text)).unwrap_or("compatible");
    Err(error_at(&value, format!(r#"`shape` is `"exact"` or `"compatible"`: write `{name} = "{meant}"`"#)))
}

/// `= "text"`
struct TextValue(LitStr);

impl Parse for TextValue {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        input.parse::<Token![=]>()?;
        input.parse().map(Self)
    }
}

pub(crate) fn entry(name: &Ident, input: ParseStream) -> syn::Result<EntryName> {
    let value: Expr = value(name, input)?;
    match (literal(&value), &value) {
        (Some(Lit::Bool(on)), _) => Ok(if on.value { EntryName::Default } else { EntryName::Omitted }),
        (_, Expr::Path(path)) if path.path.get_ident().is_some() => {
            let named = path.path.get_ident().cloned().map(EntryName::Named);
            Ok(named.unwrap_or(EntryName::Default))
        }
        _ => Err(misuse(&value, name, "`entry` is a function's name, or `false`")),
    }
}

pub(crate) fn runtime(name: &Ident, input: ParseStream) -> syn::Result<Path> {
    let value: PathValue = value(name, input)?;
    Ok(value.0)
}

/// A path without generics, as in `use`.
struct PathValue(Path);

impl Parse for PathValue {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        Path::parse_mod_style(input).map(Self)
    }
}

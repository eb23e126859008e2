//! The arguments of the attribute, as the user wrote them.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Lit, LitBool, LitStr, Path, Token, Type, parenthesized};

use crate::duration::{Period, literal};
use crate::errors::{Errors, nearest, quoted};

/// Each argument, as one writes it.
const USAGE: [(&str, &str); 10] = [
    ("key", r#"key = "user:<id>:v1""#),
    ("ttl", "ttl = 600"),
    ("lock", "lock = true"),
    ("skip", "skip(db)"),
    ("jitter", "jitter = 0.1"),
    ("codec", "codec = Json"),
    ("cache", "cache = &self.cache"),
    ("entry", "entry = user_entry"),
    ("fail_open", "fail_open = false"),
    ("crate", "crate = ::cache_runtime"),
];

/// Each option of `lock`, likewise.
const LOCK_USAGE: [(&str, &str); 2] = [("wait", r#"lock(wait = "5s")"#), ("lease", r#"lock(lease = "10s")"#)];

/// The largest spread of a TTL: beyond it, values would live less than half as long as the user said.
const MOST_JITTER: f64 = 0.5;

/// A value and the name before it, where errors about the argument as a whole are put.
pub(crate) struct Arg<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// The arguments that were given and can be read.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) key: Option<Arg<LitStr>>,
    pub(crate) ttl: Option<Arg<Period>>,
    pub(crate) lock: Option<Arg<Lock>>,
    pub(crate) skip: Option<Arg<Vec<Ident>>>,
    pub(crate) jitter: Option<Arg<Expr>>,
    pub(crate) codec: Option<Arg<Type>>,
    pub(crate) cache: Option<Arg<Expr>>,
    pub(crate) entry: Option<Arg<EntryName>>,
    pub(crate) fail_open: Option<Arg<bool>>,
    pub(crate) runtime: Option<Arg<Path>>,
    /// The names of all that were given, readable or not.
    given: Vec<String>,
}

/// What `lock` says.
pub(crate) enum Lock {
    Off,
    On {
        wait: Option<Arg<Period>>,
        lease: Option<Arg<Period>>,
    },
}

/// What `entry` says.
pub(crate) enum EntryName {
    Default,
    Named(Ident),
    Omitted,
}

impl Args {
    /// Reads the arguments; after one that cannot be read, goes on behind the next comma.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let read = |input: ParseStream| {
            while !input.is_empty() {
                if let Err(error) = args.argument(input).and_then(|()| comma(input)) {
                    errors.add(error);
                    skip_past_comma(input);
                }
            }
            Ok(())
        };
        if let Err(error) = read.parse2(tokens) {
            errors.add(error);
        }
        args
    }

    /// Whether an argument of this name was given, be it one that cannot be read.
    pub(crate) fn given(&self, name: &str) -> bool {
        self.given.iter().any(|given| given == name)
    }

    fn argument(&mut self, input: ParseStream) -> syn::Result<()> {
        if let Ok(literal) = input.fork().parse::<Lit>() {
            return Err(self.nameless(literal));
        }
        let name = argument_name(input)?;
        let word = name.to_string();
        let (known, repeated) = (usage(&word).is_some(), self.given(&word));
        self.given.push(word.clone());
        if repeated && known {
            return Err(error_at(&name, format!("`{word}` is given twice: keep one of the two")));
        }
        match word.as_str() {
            "key" => set(&mut self.key, name, input, key),
            "ttl" => set(&mut self.ttl, name, input, period),
            "lock" => set(&mut self.lock, name, input, lock),
            "skip" => set(&mut self.skip, name, input, skip),
            "jitter" => set(&mut self.jitter, name, input, jitter),
            "codec" => set(&mut self.codec, name, input, codec),
            "cache" => set(&mut self.cache, name, input, value),
            "entry" => set(&mut self.entry, name, input, entry),
            "fail_open" => set(&mut self.fail_open, name, input, switch),
            "crate" => set(&mut self.runtime, name, input, runtime),
            _ => Err(unknown(&name)),
        }
    }

    /// A text without a name is most likely the key.
    fn nameless(&mut self, literal: Lit) -> syn::Error {
        let Lit::Str(value) = literal else {
            return error_at(literal, "arguments have names, as in `ttl = 600`");
        };
        let error = error_at(&value, format!("arguments have names: write `key = {}`", value.token()));
        if !self.given("key") {
            self.given.push("key".to_owned());
            self.key = Some(Arg {
                name: Ident::new("key", value.span()),
                value,
            });
        }
        error
    }
}

fn set<T>(
    slot: &mut Option<Arg<T>>,
    name: Ident,
    input: ParseStream,
    read: fn(&Ident, ParseStream) -> syn::Result<T>,
) -> syn::Result<()> {
    let value = read(&name, input)?;
    *slot = Some(Arg { name, value });
    Ok(())
}

fn argument_name(input: ParseStream) -> syn::Result<Ident> {
    Ident::parse_any(input).map_err(|error| syn::Error::new(error.span(), "expected an argument, as in `ttl = 600`"))
}

fn unknown(name: &Ident) -> syn::Error {
    let names = USAGE.map(|(name, _)| name);
    let cure = match nearest(&name.to_string(), names) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "remove it".to_owned(),
    };
    error_at(
        name,
        format!("unknown argument `{name}`; the arguments are {}: {cure}", quoted(names)),
    )
}

fn usage(name: &str) -> Option<&'static str> {
    USAGE
        .iter()
        .chain(&LOCK_USAGE)
        .find(|(known, _)| *known == name)
        .map(|(_, usage)| *usage)
}

fn error_at(tokens: impl quote::ToTokens, message: impl std::fmt::Display) -> syn::Error {
    syn::Error::new_spanned(tokens, message)
}

/// `what`, and how the argument is written instead.
fn misuse(tokens: impl quote::ToTokens, name: &Ident, what: &str) -> syn::Error {
    let usage = usage(&name.to_string()).unwrap_or_default();
    error_at(tokens, format!("{what}: write `{usage}`"))
}

/// Reads `= value`.
fn value<T: Parse>(name: &Ident, input: ParseStream) -> syn::Result<T> {
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Err(misuse(name, name, &format!("`{name}` takes a value after `=`")));
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(misuse(name, name, &format!("`{name}` has no value")));
    }
    input.parse().map_err(|error| {
        let usage = usage(&name.to_string()).unwrap_or_default();
        syn::Error::new(error.span(), format!("this is no value for `{name}`: write `{usage}`"))
    })
}

fn key(name: &Ident, input: ParseStream) -> syn::Result<LitStr> {
    let value: Expr = value(name, input)?;
    match literal(&value) {
        Some(Lit::Str(template)) => Ok(template.clone()),
        _ => Err(misuse(&value, name, "the key is a template in quotes")),
    }
}

fn period(name: &Ident, input: ParseStream) -> syn::Result<Period> {
    Period::new(&name.to_string(), value(name, input)?)
}

fn switch(name: &Ident, input: ParseStream) -> syn::Result<bool> {
    let value: Expr = value(name, input)?;
    match literal(&value) {
        Some(Lit::Bool(LitBool { value, .. })) => Ok(*value),
        _ => Err(misuse(&value, name, &format!("`{name}` is `true` or `false`"))),
    }
}

fn lock(name: &Ident, input: ParseStream) -> syn::Result<Lock> {
    if !input.peek(syn::token::Paren) {
        let on = switch(name, input)?;
        return Ok(if on {
            Lock::On {
                wait: None,
                lease: None,
            }
        } else {
            Lock::Off
        });
    }
    let options = in_parentheses(input, lock_options)?;
    match options {
        Lock::On {
            wait: None,
            lease: None,
        } => Err(misuse(name, name, "`lock()` says nothing")),
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
                return Err(error_at(
                    &option,
                    "`lock` has two options: `lock(wait = \"5s\", lease = \"10s\")`",
                ));
            }
        };
        if slot.is_some() {
            return Err(error_at(
                &option,
                format!("`{option}` is given twice: keep one of the two"),
            ));
        }
        set(slot, option, input, period)?;
        comma(input)?;
    }
    Ok(Lock::On { wait, lease })
}

fn skip(name: &Ident, input: ParseStream) -> syn::Result<Vec<Ident>> {
    if !input.peek(syn::token::Paren) {
        return Err(misuse(name, name, "`skip` takes names in parentheses"));
    }
    in_parentheses(input, |input| {
        let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(input, Ident::parse_any);
        let usage = "`skip` takes the names of parameters: `skip(db, self)`";
        names
            .map(|names| names.into_iter().collect())
            .map_err(|error| syn::Error::new(error.span(), usage))
    })
}

/// Reads a list; leaves nothing of one that cannot be read, since syn would report the rest as a second error.
fn in_parentheses<T>(input: ParseStream, read: fn(ParseStream) -> syn::Result<T>) -> syn::Result<T> {
    let content;
    parenthesized!(content in input);
    read(&content).inspect_err(|_| while content.parse::<TokenTree>().is_ok() {})
}

fn jitter(name: &Ident, input: ParseStream) -> syn::Result<Expr> {
    let value: Expr = value(name, input)?;
    let share = match literal(&value) {
        Some(Lit::Float(share)) => share.base10_parse().unwrap_or(f64::INFINITY),
        None if !matches!(value, Expr::Unary(_)) => return Ok(value),
        Some(Lit::Int(share)) => share.base10_parse().unwrap_or(f64::INFINITY),
        _ => f64::INFINITY,
    };
    if !(0.0..=MOST_JITTER).contains(&share) {
        return Err(misuse(&value, name, "`jitter` is a share of the TTL, from 0.0 to 0.5"));
    }
    Ok(syn::parse_quote_spanned!(syn::spanned::Spanned::span(&value)=> #share))
}

fn codec(name: &Ident, input: ParseStream) -> syn::Result<Type> {
    if let Ok(literal) = input.fork().parse::<TextValue>() {
        return Err(misuse(literal.0, name, "`codec` is a type"));
    }
    value(name, input)
}

/// `= "text"`
struct TextValue(LitStr);

impl Parse for TextValue {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        input.parse::<Token![=]>()?;
        input.parse().map(Self)
    }
}

fn entry(name: &Ident, input: ParseStream) -> syn::Result<EntryName> {
    let value: Expr = value(name, input)?;
    match (literal(&value), &value) {
        (Some(Lit::Bool(on)), _) => Ok(if on.value {
            EntryName::Default
        } else {
            EntryName::Omitted
        }),
        (_, Expr::Path(path)) if path.path.get_ident().is_some() => {
            let named = path.path.get_ident().cloned().map(EntryName::Named);
            Ok(named.unwrap_or(EntryName::Default))
        }
        _ => Err(misuse(&value, name, "`entry` is a function's name, or `false`")),
    }
}

fn runtime(name: &Ident, input: ParseStream) -> syn::Result<Path> {
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

fn comma(input: ParseStream) -> syn::Result<()> {
    if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
        return Ok(());
    }
    Err(input.error("a comma is missing before this"))
}

fn skip_past_comma(input: ParseStream) {
    while let Ok(token) = input.parse::<TokenTree>() {
        if matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',') {
            return;
        }
    }
}

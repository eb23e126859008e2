//! The arguments of the attribute, as the user wrote them.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Ident, Lit, LitStr, Path, Token, Type};

use crate::duration::Period;
use crate::errors::{Errors, nearest, quoted};
use crate::values::{self, Ttl, error_at};

/// Each argument, as one writes it.
const USAGE: [(&str, &str); 22] = [
    ("key", r#"key = "user:<id>:v1""#),
    ("ttl", "ttl = 600"),
    ("lock", "lock = true"),
    ("skip", "skip(db)"),
    ("jitter", "jitter = 0.1"),
    ("stale_while_revalidate", "stale_while_revalidate = 60"),
    ("stale_if_error", "stale_if_error = 3600"),
    ("timeout", r#"timeout = "2s""#),
    ("early_refresh", "early_refresh = 1.0"),
    ("none_ttl", "none_ttl = 30"),
    ("err_ttl", "err_ttl = 1"),
    ("cache_if", "cache_if = |value| !value.is_empty()"),
    ("codec", "codec = Json"),
    ("shape", r#"shape = "compatible""#),
    ("cache", "cache = &self.cache"),
    ("entry", "entry = user_entry"),
    ("fail_open", "fail_open = false"),
    ("shed", "shed = true"),
    ("share_errors", "share_errors = true"),
    ("detach", "detach = true"),
    ("shared", "shared = true"),
    ("crate", "crate = ::cache_runtime"),
];

/// What others call an argument.
const MEANT: [(&str, &str); 9] = [
    ("swr", "stale_while_revalidate"),
    ("stale", "stale_while_revalidate"),
    ("grace", "stale_while_revalidate"),
    ("fallback", "stale_if_error"),
    ("xfetch", "early_refresh"),
    ("negative_ttl", "none_ttl"),
    ("when", "cache_if"),
    ("expire", "ttl"),
    ("share", "shared"),
];

/// Each option of `lock`, likewise.
const LOCK_USAGE: [(&str, &str); 2] = [("wait", r#"lock(wait = "5s")"#), ("lease", r#"lock(lease = "10s")"#)];

/// A value and the name before it, where errors about the argument as a whole are put.
pub(crate) struct Arg<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// The arguments that were given and can be read.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) key: Option<Arg<LitStr>>,
    pub(crate) ttl: Option<Arg<Ttl>>,
    pub(crate) lock: Option<Arg<Lock>>,
    pub(crate) skip: Option<Arg<Vec<Ident>>>,
    pub(crate) jitter: Option<Arg<Expr>>,
    pub(crate) stale_while_revalidate: Option<Arg<Period>>,
    pub(crate) stale_if_error: Option<Arg<Period>>,
    pub(crate) timeout: Option<Arg<Period>>,
    pub(crate) early_refresh: Option<Arg<Expr>>,
    pub(crate) none_ttl: Option<Arg<Period>>,
    pub(crate) err_ttl: Option<Arg<Period>>,
    pub(crate) cache_if: Option<Arg<Expr>>,
    pub(crate) codec: Option<Arg<Type>>,
    pub(crate) shape: Option<Arg<Shape>>,
    pub(crate) cache: Option<Arg<Expr>>,
    pub(crate) entry: Option<Arg<EntryName>>,
    pub(crate) fail_open: Option<Arg<bool>>,
    pub(crate) shed: Option<Arg<bool>>,
    pub(crate) share_errors: Option<Arg<bool>>,
    pub(crate) detach: Option<Arg<bool>>,
    pub(crate) shared: Option<Arg<bool>>,
    pub(crate) runtime: Option<Arg<Path>>,
    /// The name and the text of all that were given, readable or not.
    given: Vec<(String, String)>,
}

/// What `lock` says.
pub(crate) enum Lock {
    Off,
    On { wait: Option<Arg<Period>>, lease: Option<Arg<Period>> },
}

/// What `shape` says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Exact,
    Compatible,
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
        self.given.iter().any(|(given, _)| given == name)
    }

    /// `fail_open = false`: the function does not do without the cache.
    pub(crate) fn fails_closed(&self) -> bool {
        self.fail_open.as_ref().is_some_and(|open| !open.value)
    }

    /// `shed = true`, and the argument's name.
    pub(crate) fn sheds(&self) -> Option<&Ident> {
        on(self.shed.as_ref())
    }

    /// `share_errors = true`, and the argument's name.
    pub(crate) fn shares_errors(&self) -> Option<&Ident> {
        on(self.share_errors.as_ref())
    }

    /// `shared = true`, and the argument's name.
    pub(crate) fn is_shared(&self) -> Option<&Ident> {
        on(self.shared.as_ref())
    }

    /// Whether a value is kept past its TTL, for callers that would get none.
    pub(crate) fn keeps_stale(&self) -> bool {
        self.stale_while_revalidate.is_some() || self.stale_if_error.is_some()
    }

    /// The argument that has the body run in a task of its own.
    pub(crate) fn detached_by(&self) -> Option<&Ident> {
        on(self.detach.as_ref()).or_else(|| self.implies_detach().next())
    }

    /// The arguments for which it has to: the body may go on when the caller has its value.
    pub(crate) fn implies_detach(&self) -> impl Iterator<Item = &Ident> {
        let early = self.early_refresh.as_ref().map(|early| &early.name);
        let late = [&self.stale_while_revalidate, &self.timeout];
        late.into_iter().flatten().map(|period| &period.name).chain(early)
    }

    fn argument(&mut self, input: ParseStream) -> syn::Result<()> {
        if let Ok(literal) = input.fork().parse::<Lit>() {
            return Err(self.nameless(literal));
        }
        let text = up_to_comma(&input.fork());
        let name = argument_name(input)?;
        let word = name.to_string();
        let first = self.given.iter().find(|(given, _)| *given == word);
        if let (Some((_, first)), Some(_)) = (first, usage(&word)) {
            return Err(error_at(
                &name,
                format!("`{word}` is given twice, `{first}` and `{text}`: keep one of the two"),
            ));
        }
        self.given.push((word.clone(), text));
        match word.as_str() {
            "key" => set(&mut self.key, name, input, values::key),
            "ttl" => set(&mut self.ttl, name, input, values::ttl),
            "lock" => set(&mut self.lock, name, input, values::lock),
            "skip" => set(&mut self.skip, name, input, values::skip),
            "jitter" => set(&mut self.jitter, name, input, values::jitter),
            "stale_while_revalidate" => set(&mut self.stale_while_revalidate, name, input, values::period),
            "stale_if_error" => set(&mut self.stale_if_error, name, input, values::period),
            "timeout" => set(&mut self.timeout, name, input, values::period),
            "early_refresh" => set(&mut self.early_refresh, name, input, values::early_refresh),
            "none_ttl" => set(&mut self.none_ttl, name, input, values::period),
            "err_ttl" => set(&mut self.err_ttl, name, input, values::period),
            "cache_if" => set(&mut self.cache_if, name, input, values::cache_if),
            "codec" => set(&mut self.codec, name, input, values::codec),
            "shape" => set(&mut self.shape, name, input, values::shape),
            "cache" => set(&mut self.cache, name, input, values::value),
            "entry" => set(&mut self.entry, name, input, values::entry),
            "fail_open" => set(&mut self.fail_open, name, input, values::switch),
            "shed" => set(&mut self.shed, name, input, values::switch),
            "share_errors" => set(&mut self.share_errors, name, input, values::switch),
            "detach" => set(&mut self.detach, name, input, values::switch),
            "shared" => set(&mut self.shared, name, input, values::switch),
            "crate" => set(&mut self.runtime, name, input, values::runtime),
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
            self.given.push(("key".to_owned(), value.token().to_string()));
            self.key = Some(Arg { name: Ident::new("key", value.span()), value });
        }
        error
    }
}

/// The name of a switch that is on.
fn on(switch: Option<&Arg<bool>>) -> Option<&Ident> {
    switch.filter(|switch| switch.value).map(|switch| &switch.name)
}

pub(crate) fn set<T>(
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
    let word = name.to_string();
    let meant = MEANT.iter().find(|(other, _)| *other == word).map(|(_, meant)| *meant);
    let message = match meant.or_else(|| nearest(&word, names)) {
        Some(meant) => format!("unknown argument `{name}`: did you mean `{meant}`?"),
        None => format!("unknown argument `{name}`; the arguments are {}: remove it", quoted(names)),
    };
    error_at(name, message)
}

pub(crate) fn usage(name: &str) -> Option<&'static str> {
    USAGE.iter().chain(&LOCK_USAGE).find(|(known, _)| *known == name).map(|(_, usage)| *usage)
}

pub(crate) fn comma(input: ParseStream) -> syn::Result<()> {
    if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
        return Ok(());
    }
    Err(input.error("a comma is missing before this"))
}

fn skip_past_comma(input: ParseStream) {
    up_to_comma(input);
    let _ = input.parse::<Token![,]>();
}

/// The text of what stands before the next comma, taken from the input.
fn up_to_comma(input: ParseStream) -> String {
    let mut tokens = TokenStream::new();
    while !input.peek(Token![,]) {
        let Ok(token) = input.parse::<TokenTree>() else { break };
        tokens.extend([token]);
    }
    tokens.to_string()
}

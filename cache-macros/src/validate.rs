//! What must hold before there is anything to expand: a function that can be cached, and a key that tells its calls
//! apart.
//!
//! The checks do not depend on each other, so that one compile shows all mistakes; where one mistake would show as two,
//! the second check holds back.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{FnArg, LitStr, PathArguments, ReturnType, Signature, Type};

use crate::args::Args;
use crate::errors::{Errors, nearest, quoted};
use crate::key_template::{Placeholder, Segment, Template, ambiguities};
use crate::names::Names;
use crate::target::{Binding, Target, word};

/// A cached function, with the names in its template resolved.
pub(crate) struct Cached {
    pub(crate) args: Args,
    pub(crate) target: Target,
    pub(crate) key: Vec<Part>,
}

/// A piece of the key.
pub(crate) enum Part {
    Literal(String),
    Value { binding: Binding, fields: Vec<String> },
}

impl Part {
    /// The parameter whose value this is.
    pub(crate) fn word(&self) -> Option<String> {
        match self {
            Self::Value { binding, .. } => Some(binding.word()),
            Self::Literal(_) => None,
        }
    }
}

/// Resolves and checks everything. What it returns is for expansion only if no error was found; else it is the best
/// guess at what the user meant.
pub(crate) fn validate(args: Args, target: Target, errors: &mut Errors) -> Cached {
    function(&target, errors);
    output(&target, errors);
    let template = args.key.as_ref().map(|key| (&key.value, Template::parse(&key.value.value())));
    let key = match &template {
        Some((literal, template)) => resolve(literal, template, &target, errors),
        None => missing_key(&args, &target, errors),
    };
    let skipped = skip(&args, &key, &target, errors);
    let is_readable = !args.given("skip") || args.skip.is_some();
    if let Some((literal, _)) = template.filter(|(_, template)| is_readable && template.malformed.is_empty()) {
        coverage(literal, &skipped, &key, &target, errors);
    }
    Cached { args, target, key }
}

fn function(target: &Target, errors: &mut Errors) {
    let sig = &target.sig;
    let name = &sig.ident;
    if let Some(constness) = &sig.constness {
        errors.at(constness, format!("a `const fn` has nothing to await: write `async fn {name}`"));
    } else if let Some(abi) = &sig.abi {
        errors.at(abi, format!("an `extern` function cannot be async: cache the `async fn` that `{name}` calls"));
    } else if sig.asyncness.is_none() && target.returned.is_none() {
        errors.at(sig.fn_token, format!("`{name}` is not async, {}", way_out(sig)));
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "variadic arguments cannot stand in a key: name each parameter");
    }
}

/// What to do about a function that is not async: names of types only choose the words.
fn way_out(sig: &Signature) -> String {
    let name = &sig.ident;
    let output = Names::of(&sig.output);
    if output.0.iter().any(|name| name.ends_with("Stream")) {
        return format!("and a stream has no value before its end: write `async fn {name}` that returns a `Vec`");
    }
    if output.0.iter().any(|name| name.ends_with("Future")) {
        return format!(
            "and the future it returns cannot be seen into: end the body in `Box::pin(async move {{ … }})`, or write \
             `async fn {name}`"
        );
    }
    format!("and a cache has to be awaited: write `async fn {name}`")
}

fn output(target: &Target, errors: &mut Errors) {
    let name = &target.sig.ident;
    let Some(output) = target.output() else {
        if target.sig.output == ReturnType::Default {
            errors.at(name, format!("`{name}` returns nothing that could be cached: give it a return type"));
        }
        return;
    };
    let Some(opaque) = value_of(output).into_iter().find(|token| token.to_string() == "impl") else {
        return;
    };
    let message = if Names::of(output).has("Stream") {
        "a stream has no value before its end: collect it, and return a `Vec`"
    } else {
        "a cached value is read back as its type, so the type needs a name: write it instead of `impl`"
    };
    errors.at(opaque, message);
}

/// The return type without its last argument, where it has two: an error is never read back.
fn value_of(output: &Type) -> TokenStream {
    if let Type::Path(path) = output
        && let Some(PathArguments::AngleBracketed(arguments)) = path.path.segments.last().map(|last| &last.arguments)
        && let (2, Some(value)) = (arguments.args.len(), arguments.args.first())
    {
        return value.to_token_stream();
    }
    output.to_token_stream()
}

/// The key's pieces; an unknown placeholder becomes the parameter that was probably meant.
fn resolve(literal: &LitStr, template: &Template, target: &Target, errors: &mut Errors) -> Vec<Part> {
    for message in template.malformed.iter().cloned().chain(ambiguities(&template.segments)) {
        errors.at(literal, message);
    }
    let mut key = Vec::new();
    for segment in &template.segments {
        match segment {
            Segment::Literal(text) => key.push(Part::Literal(text.clone())),
            Segment::Placeholder(placeholder) => {
                let binding = target.binding(&placeholder.root).or_else(|| {
                    let meant = meant(&placeholder.root, target);
                    errors.at(literal, unknown_placeholder(placeholder, meant, target));
                    meant
                });
                let fields = placeholder.fields.clone();
                key.extend(binding.cloned().map(|binding| Part::Value { binding, fields }));
            }
        }
    }
    key
}

fn meant<'t>(word: &str, target: &'t Target) -> Option<&'t Binding> {
    let words: Vec<_> = target.bindings.iter().map(Binding::word).collect();
    nearest(word, words.iter().map(String::as_str)).and_then(|word| target.binding(word))
}

fn unknown_placeholder(placeholder: &Placeholder, meant: Option<&Binding>, target: &Target) -> String {
    let what = match placeholder.root.as_str() {
        "self" => format!("`{placeholder}` in `key`, but `{}` has no `self`", target.sig.ident),
        _ => format!("unknown placeholder `{placeholder}` in `key`"),
    };
    let what = format!("{what}; {}", parameters(target));
    let corrected = meant.map(|binding| Placeholder { root: binding.word(), fields: placeholder.fields.clone() });
    match corrected {
        Some(corrected) => format!("{what}: did you mean `{corrected}`?"),
        None if target.bindings.is_empty() => format!("{what}: remove the placeholder"),
        None => format!("{what}: use one of these"),
    }
}

fn parameters(target: &Target) -> String {
    match target.bindings.as_slice() {
        [] => format!("`{}` has no parameters", target.sig.ident),
        [one] => format!("the only parameter is `{}`", one.word()),
        many => format!("the parameters are {}", quoted(many.iter().map(Binding::word))),
    }
}

/// Proposes a whole template, and guesses from it.
fn missing_key(args: &Args, target: &Target, errors: &mut Errors) -> Vec<Part> {
    let (skipped, keyed): (Vec<&Binding>, Vec<&Binding>) =
        target.bindings.iter().partition(|binding| is_skipped(args, binding) || looks_shared(binding, target));
    if !args.given("key") {
        let key: Vec<_> = keyed.iter().map(|binding| format!(":<{}>", binding.word())).collect();
        let skip: Vec<_> = skipped.into_iter().map(Binding::word).collect();
        let skip = match skip.as_slice() {
            [_, ..] if !args.given("skip") => format!(", skip({})", skip.join(", ")),
            _ => String::new(),
        };
        let proposal = format!("key = \"{}{}:v1\"{skip}", target.sig.ident, key.concat());
        errors.at_attribute(format!("`key` is missing: say which calls share a value, as in `{proposal}`"));
    }
    keyed.into_iter().map(|binding| Part::Value { binding: binding.clone(), fields: Vec::new() }).collect()
}

/// Whether a parameter looks like a connection or a service rather than like a value: `self`, or a reference to
/// something else than text. Only what the error proposes depends on it.
fn looks_shared(binding: &Binding, target: &Target) -> bool {
    match target.sig.inputs.iter().nth(binding.input) {
        Some(FnArg::Typed(typed)) => {
            let Type::Reference(reference) = &*typed.ty else {
                return false;
            };
            !matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("str") || path.path.is_ident("String"))
        }
        _ => true,
    }
}

/// The parameters that select nothing; an unknown one becomes the one that was probably meant.
fn skip(args: &Args, key: &[Part], target: &Target, errors: &mut Errors) -> Vec<String> {
    let mut skipped: Vec<String> = Vec::new();
    for name in args.skip.iter().flat_map(|skip| &skip.value) {
        let mut word = word(name);
        if skipped.contains(&word) {
            errors.at(name, format!("`{word}` is in `skip` twice: keep one of the two"));
        } else if target.binding(&word).is_none() {
            let meant = meant(&word, target).map(Binding::word);
            let cure = meant.as_ref().map_or("remove it".to_owned(), |meant| format!("did you mean `{meant}`?"));
            errors.at(name, format!("no parameter `{word}` to skip; {}: {cure}", parameters(target)));
            word = meant.unwrap_or(word);
        } else if is_keyed(key, &word) {
            errors.at(name, format!("`{word}` is in `key` and in `skip`: take it out of one of the two"));
        }
        skipped.push(word);
    }
    skipped
}

/// Every parameter selects the value or is said not to.
fn coverage(literal: &LitStr, skipped: &[String], key: &[Part], target: &Target, errors: &mut Errors) {
    for binding in &target.bindings {
        let word = binding.word();
        if !is_keyed(key, &word) && !skipped.contains(&word) {
            errors.at(&binding.name, uncovered(&literal.value(), skipped, &word));
        }
    }
}

fn uncovered(template: &str, skipped: &[String], word: &str) -> String {
    let in_braces = format!("{{{word}}}");
    if template.contains(&in_braces) {
        return format!("`{in_braces}` is plain text in `key`, since braces stay as they are: write `<{word}>` there");
    }
    let placeholder = if word == "self" { "<self.field>".to_owned() } else { format!("<{word}>") };
    let key = match template.rsplit_once('>') {
        Some((before, after)) => format!("{before}>:{placeholder}{after}"),
        None => format!("{template}:{placeholder}"),
    };
    let skip: Vec<_> = skipped.iter().map(String::as_str).chain([word]).collect();
    let skip = skip.join(", ");
    format!(
        "`{word}` is neither in `key` nor in `skip`: write `key = {key:?}` if it selects the value, \
         `skip({skip})` if it does not"
    )
}

fn is_keyed(key: &[Part], word: &str) -> bool {
    key.iter().any(|part| part.word().is_some_and(|keyed| keyed == word))
}

fn is_skipped(args: &Args, binding: &Binding) -> bool {
    args.skip.iter().flat_map(|skip| &skip.value).any(|name| word(name) == binding.word())
}

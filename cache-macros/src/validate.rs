//! What must hold before there is anything to expand: a function that can be cached, and a key that tells its calls
//! apart.
//!
//! The checks do not depend on each other, so that one compile shows all mistakes; where one mistake would show as two,
//! the second check holds back.

use syn::{Expr, FnArg, PatType, Receiver, Signature, Type};

use crate::args::{Arg, Args, EntryName};
use crate::detach::{Copied, detach};
use crate::errors::{Errors, quoted};
use crate::key_template::{Placeholder, Template};
use crate::names::Names;
use crate::resolve::{nearest_binding, parameters, resolve};
use crate::returned_type::returned_type;
use crate::target::{Binding, Target, conditions, word};

/// A cached function, with the names in its template resolved.
pub(crate) struct Cached {
    pub(crate) args: Args,
    pub(crate) target: Target,
    pub(crate) key: Vec<Part>,
    /// Where the body runs in a task of its own, what is copied for it.
    pub(crate) detached: Option<Vec<Copied>>,
}

/// A piece of the key.
pub(crate) enum Part {
    Literal(String),
    Value {
        binding: Binding,
        fields: Vec<String>,
    },
    /// A constant, and the generic parameter of the function that its path begins with, if it begins with one.
    Constant {
        placeholder: Placeholder,
        generic: Option<String>,
    },
}

impl Part {
    /// The parameter whose value this is.
    pub(crate) fn word(&self) -> Option<String> {
        match self {
            Self::Value { binding, .. } => Some(binding.word()),
            Self::Literal(_) | Self::Constant { .. } => None,
        }
    }

    /// The generic parameter of the function that this is a constant of.
    pub(crate) fn generic(&self) -> Option<&str> {
        match self {
            Self::Constant { generic, .. } => generic.as_deref(),
            Self::Literal(_) | Self::Value { .. } => None,
        }
    }
}

/// Resolves and checks everything. What it returns is for expansion only if no error was found; else it is the best
/// guess at what the user meant.
pub(crate) fn validate(args: Args, mut target: Target, errors: &mut Errors) -> Cached {
    function(&target, errors);
    returned_type(&target, errors);
    let template = args.key.as_ref().map(|key| (&key.value, Template::parse(&key.value.value())));
    let mut key = match &template {
        Some((literal, template)) => resolve(literal, template, &target, errors),
        None => missing_key(&args, &target, errors),
    };
    floats(&key, &target, errors);
    let skipped = skip(&args, &key, &target, errors);
    let is_malformed = template.as_ref().is_some_and(|(_, template)| !template.malformed.is_empty());
    if !args.given("skip") || args.skip.is_some() {
        if !is_malformed {
            coverage(&args, &skipped, &key, &target, errors);
        }
        conditional(&skipped, &target, errors);
    }
    if is_malformed {
        // What is malformed stood for something: the entry function takes what is left over.
        let left =
            target.bindings.iter().filter(|left| !is_keyed(&key, &left.word()) && !skipped.contains(&left.word()));
        let left: Vec<_> = left.map(|left| Part::Value { binding: left.clone(), fields: Vec::new() }).collect();
        key.extend(left);
    }
    entry(&args, &target, errors);
    attached(&args, errors);
    sheds(&args, errors);
    let detached = detach(&args, &mut target, errors);
    Cached { args, target, key, detached }
}

/// `detach = false` beside an argument that cannot do without.
fn attached(args: &Args, errors: &mut Errors) {
    let Some(detach) = args.detach.as_ref().filter(|detach| !detach.value) else { return };
    let by: Vec<_> = args.implies_detach().collect();
    if !by.is_empty() {
        let (names, verb) = (quoted(&by), if by.len() == 1 { "has" } else { "have" });
        errors.at(&detach.name, format!(
            "{names} {verb} the body go on when its caller has gone, so it cannot be `detach = false`: leave `detach` out"
        ));
    }
}

/// `shed = true` beside `fail_open = false`, which leaves nothing to shed.
fn sheds(args: &Args, errors: &mut Errors) {
    if let Some(name) = args.sheds().filter(|_| args.fails_closed()) {
        errors.at(name, "with `fail_open = false` nothing runs without the cache, so there is nothing to shed: leave one of the two out");
    }
}

fn function(target: &Target, errors: &mut Errors) {
    let sig = &target.sig;
    let name = &sig.ident;
    if let Some(again) = target.cached_again() {
        errors.at(again.path(), format!("`{name}` is cached already: keep one of the two attributes"));
    }
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

fn entry(args: &Args, target: &Target, errors: &mut Errors) {
    if let Some(Arg { value: EntryName::Named(name), .. }) = &args.entry
        && *name == target.sig.ident
    {
        let cure = format!("`entry = {}_entry`", word(name));
        errors.at(name, format!("`{name}` is the cached function's own name: write {cure}, or leave `entry` out"));
    }
}

/// A parameter that is skipped though it looks like what selects a value, where nothing else does: legal, and suspect.
pub(crate) fn suspect(cached: &Cached) -> Option<&Binding> {
    const VALUES: [&str; 16] = [
        "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize", "bool", "char", "str",
        "String",
    ];
    let Cached { args, target, key, .. } = cached;
    let is_value = |binding: &&Binding| match target.sig.inputs.iter().nth(binding.input) {
        Some(FnArg::Typed(typed)) => {
            let ty = if let Type::Reference(reference) = &*typed.ty { &reference.elem } else { &typed.ty };
            matches!(&**ty, Type::Path(path) if VALUES.iter().any(|value| path.path.is_ident(value)))
        }
        _ => false,
    };
    let is_constant = key.iter().all(|part| part.word().is_none());
    let mut skipped = target.bindings.iter().filter(|binding| is_constant && is_skipped(args, binding));
    skipped.find(is_value)
}

/// A float in the key is refused by its type; where the type is written out, the reason can be said as well.
fn floats(key: &[Part], target: &Target, errors: &mut Errors) {
    let whole = key.iter().filter(|part| matches!(part, Part::Value { fields, .. } if fields.is_empty()));
    for binding in whole.filter_map(|part| target.binding(&part.word()?)) {
        let Some(FnArg::Typed(typed)) = target.sig.inputs.iter().nth(binding.input) else { continue };
        let Type::Path(path) = &*typed.ty else { continue };
        if path.path.is_ident("f64") || path.path.is_ident("f32") {
            let name = binding.word();
            errors.at(&typed.ty, format!(
                "`{name}` is a float, and cannot stand in a key: `NaN` differs from itself, and equal results may differ \
                 in the last digit. Round it to an integer of small units first, or write `skip({name})`"
            ));
        }
    }
}

/// Proposes a whole template, and guesses from it.
fn missing_key(args: &Args, target: &Target, errors: &mut Errors) -> Vec<Part> {
    let is_left_out = |binding: &&Binding| {
        is_skipped(args, binding)
            || is_cache(args, binding)
            || looks_shared(binding, target)
            || !target.conditions(binding).is_empty()
    };
    let (skipped, keyed): (Vec<_>, Vec<_>) = target.bindings.iter().partition(is_left_out);
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
            let meant = nearest_binding(&word, target).map(Binding::word);
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
fn coverage(args: &Args, skipped: &[String], key: &[Part], target: &Target, errors: &mut Errors) {
    let Some(template) = args.key.as_ref().map(|key| key.value.value()) else { return };
    for binding in &target.bindings {
        let word = binding.word();
        if is_keyed(key, &word) || skipped.contains(&word) || !target.conditions(binding).is_empty() {
            continue;
        }
        let message = if is_cache(args, binding) {
            format!("`{word}` is the cache, which does not select the value: write `{}`", skip_with(skipped, &word))
        } else {
            uncovered(&template, skipped, &word)
        };
        errors.at(&binding.name, message);
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
    format!(
        "`{word}` is neither in `key` nor in `skip`: write `key = {key:?}` if it selects the value, `{}` if it does not",
        skip_with(skipped, word)
    )
}

/// `skip` with one name more.
fn skip_with(skipped: &[String], word: &str) -> String {
    let skip: Vec<_> = skipped.iter().map(String::as_str).chain([word]).collect();
    format!("skip({})", skip.join(", "))
}

/// A parameter under `#[cfg]` is not always there, so it cannot select the value: rustc removes such parameters after it
/// has expanded this attribute.
fn conditional(skipped: &[String], target: &Target, errors: &mut Errors) {
    for (index, input) in target.sig.inputs.iter().enumerate() {
        let of_input = target.bindings.iter().filter(|binding| binding.input == index).map(Binding::word);
        let names: Vec<_> = of_input.filter(|word| !skipped.contains(word)).collect();
        let (FnArg::Receiver(Receiver { attrs, .. }) | FnArg::Typed(PatType { attrs, .. })) = input;
        if let ([condition, ..], [_, ..]) = (conditions(attrs).as_slice(), names.as_slice()) {
            let skip = skip_with(skipped, &names.join(", "));
            errors.at(condition, format!(
                "a parameter under `#[cfg]` is not always there, so the key cannot have {}: write two functions, each \
                 under its own `#[cfg]`, or `{skip}` if the value does not depend on it",
                quoted(&names)
            ));
        }
    }
}

/// Whether `cache = …` names this parameter as the cache.
fn is_cache(args: &Args, binding: &Binding) -> bool {
    let mut cache = args.cache.as_ref().map(|cache| &cache.value);
    loop {
        match cache {
            Some(Expr::Reference(reference)) => cache = Some(&reference.expr),
            Some(Expr::Group(group)) => cache = Some(&group.expr),
            Some(Expr::Paren(paren)) => cache = Some(&paren.expr),
            Some(Expr::Path(path)) => return path.path.get_ident().is_some_and(|name| word(name) == binding.word()),
            _ => return false,
        }
    }
}

fn is_keyed(key: &[Part], word: &str) -> bool {
    key.iter().any(|part| part.word().is_some_and(|keyed| keyed == word))
}

fn is_skipped(args: &Args, binding: &Binding) -> bool {
    args.skip.iter().flat_map(|skip| &skip.value).any(|name| word(name) == binding.word())
}

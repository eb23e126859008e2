//! The names in a key template: each is a parameter, or begins the path of a constant.
//!
//! The macro sees the parameters and the generics of the function, and nothing around it. So a path is handed on to
//! rustc, which knows the `impl` and the module, and reports an unknown name at the template.

use syn::{GenericParam, LitStr};

use crate::errors::{Errors, nearest, quoted};
use crate::key_template::{Placeholder, Segment, Template, ambiguities};
use crate::target::{Binding, Target, word};
use crate::validate::Part;

/// The key's pieces; a placeholder that stands for nothing becomes what was probably meant.
pub(crate) fn resolve(literal: &LitStr, template: &Template, target: &Target, errors: &mut Errors) -> Vec<Part> {
    for message in template.malformed.iter().cloned().chain(ambiguities(&template.segments)) {
        errors.at(literal, message);
    }
    let mut key = Vec::new();
    for segment in &template.segments {
        match segment {
            Segment::Literal(text) => key.push(Part::Literal(text.clone())),
            Segment::Placeholder(placeholder) => {
                let part = part(placeholder, target).or_else(|Mistake { message, meant }| {
                    errors.at(literal, message);
                    part(&meant.ok_or(())?, target).map_err(|_| ())
                });
                key.extend(part);
            }
        }
    }
    key
}

/// Why a placeholder stands for nothing, and what was probably meant.
struct Mistake {
    message: String,
    meant: Option<Placeholder>,
}

/// What a placeholder stands for.
fn part(placeholder: &Placeholder, target: &Target) -> Result<Part, Mistake> {
    let Placeholder { root, items, fields } = placeholder;
    let generic = generics(target).find(|(name, _)| name == root);
    match (target.binding(root), generic) {
        (Some(binding), _) if items.is_empty() => Ok(Part::Value { binding: binding.clone(), fields: fields.clone() }),
        (Some(_), _) if !items.last().is_some_and(|item| is_constant(item)) => Err(field_of_parameter(placeholder)),
        (_, Some((_, Generic::Type))) if items.is_empty() => Err(no_value(placeholder)),
        (_, None) if items.is_empty() && root == "Self" => Err(no_value(placeholder)),
        (_, None) if items.is_empty() => Err(unknown(placeholder, target)),
        // A constant of a module may be named as a parameter is.
        (_, generic) => {
            let generic = generic.map(|(name, _)| name);
            Ok(Part::Constant { placeholder: placeholder.clone(), generic })
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Generic {
    Type,
    Const,
}

/// The function's own type and const parameters.
fn generics(target: &Target) -> impl Iterator<Item = (String, Generic)> {
    target.sig.generics.params.iter().filter_map(|param| match param {
        GenericParam::Lifetime(_) => None,
        GenericParam::Type(param) => Some((word(&param.ident), Generic::Type)),
        GenericParam::Const(param) => Some((word(&param.ident), Generic::Const)),
    })
}

/// Input: `<self::tenant>`
fn field_of_parameter(placeholder: &Placeholder) -> Mistake {
    let Placeholder { root, items, fields } = placeholder;
    let fields = [items.as_slice(), fields.as_slice()].concat();
    let meant = Placeholder { root: root.clone(), items: Vec::new(), fields };
    let message =
        format!("`{root}` in `{placeholder}` is a parameter, and a field of it is behind a `.`: write `{meant}`");
    Mistake { message, meant: Some(meant) }
}

/// Input: `<T>`, `<T.NAME>`
fn no_value(placeholder: &Placeholder) -> Mistake {
    let meant = constant_of(&placeholder.root, placeholder.fields.clone());
    let message = format!(
        "`{}` in `{placeholder}` is a type, and a key is made of values: write a constant of it, as in `{meant}`",
        placeholder.root
    );
    Mistake { message, meant: Some(meant) }
}

fn unknown(placeholder: &Placeholder, target: &Target) -> Mistake {
    let what = match placeholder.root.as_str() {
        "self" => format!("`{placeholder}` in `key`, but `{}` has no `self`", target.sig.ident),
        _ => format!("unknown placeholder `{placeholder}` in `key`"),
    };
    let what = format!("{what}; {}", parameters(target));
    let meant = meant(placeholder, target);
    let message = match &meant {
        Some(meant) => format!("{what}: did you mean `{meant}`?"),
        None if target.bindings.is_empty() => format!("{what}: remove the placeholder"),
        None => format!("{what}: use one of these"),
    };
    Mistake { message, meant }
}

/// A parameter of nearly this name; or else a const parameter, or a constant, for which the path to it is missing.
fn meant(placeholder: &Placeholder, target: &Target) -> Option<Placeholder> {
    let Placeholder { root, fields, .. } = placeholder;
    let named = |root: String| Placeholder { root, items: Vec::new(), fields: fields.clone() };
    if let Some(binding) = nearest_binding(root, target) {
        return Some(named(binding.word()));
    }
    let of = |kind: Generic| generics(target).filter(move |(_, of)| *of == kind).map(|(name, _)| name);
    let (constants, types): (Vec<_>, Vec<_>) = (of(Generic::Const).collect(), of(Generic::Type).collect());
    if let Some(constant) = nearest(root, constants.iter().map(String::as_str)) {
        return Some(named(constant.to_owned()));
    }
    if is_constant(root) {
        let has_self = target.binding("self").is_some();
        let around = if has_self { "Self" } else { "self" };
        let owner = types.first().map_or(around, String::as_str);
        return Some(Placeholder { root: owner.to_owned(), items: vec![root.clone()], fields: fields.clone() });
    }
    nearest(root, types.iter().map(String::as_str)).map(|owner| constant_of(owner, fields.clone()))
}

/// Input:  `T` and `NAME`; `T` and nothing
/// Output: `<T::NAME>`
fn constant_of(owner: &str, mut items: Vec<String>) -> Placeholder {
    if items.is_empty() {
        items.push("NAME".to_owned());
    }
    Placeholder { root: owner.to_owned(), items, fields: Vec::new() }
}

/// Whether this is a name as constants have it.
fn is_constant(name: &str) -> bool {
    name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The parameter that a name is probably a slip of.
pub(crate) fn nearest_binding<'t>(word: &str, target: &'t Target) -> Option<&'t Binding> {
    let words: Vec<_> = target.bindings.iter().map(Binding::word).collect();
    nearest(word, words.iter().map(String::as_str)).and_then(|word| target.binding(word))
}

/// The parameters, for a message.
pub(crate) fn parameters(target: &Target) -> String {
    match target.bindings.as_slice() {
        [] => format!("`{}` has no parameters", target.sig.ident),
        [one] => format!("the only parameter is `{}`", one.word()),
        many => format!("the parameters are {}", quoted(many.iter().map(Binding::word))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves a placeholder of a function; a mistake is its cure, and what becomes of it.
    fn resolved(function: &str, path: &str) -> String {
        let target: Target = syn::parse_str(function).unwrap();
        let template = Template::parse(&format!("<{path}>"));
        let [Segment::Placeholder(placeholder)] = template.segments.as_slice() else { panic!("{path}") };
        match part(placeholder, &target) {
            Ok(Part::Value { binding, .. }) => format!("the parameter {}", binding.word()),
            Ok(Part::Constant { generic, .. }) => format!("a constant, of {generic:?}"),
            Ok(Part::Literal(text)) => text,
            Err(Mistake { message, meant }) => {
                let cure = message.rsplit(": ").next().unwrap_or_default().to_owned();
                assert!(meant.is_none_or(|meant| message.contains(&meant.to_string())), "{message}");
                cure
            }
        }
    }

    #[test]
    fn a_name_is_a_parameter_or_begins_the_path_of_a_constant() {
        let function = "async fn f<'a, T: Row, const N: usize>(&self, id: u64) -> T {}";
        for (path, expected) in [
            ("id", "the parameter id"),
            ("self.tenant", "the parameter self"),
            ("T::NAME", "a constant, of Some(\"T\")"),
            ("T::Inner::NAME", "a constant, of Some(\"T\")"),
            ("N", "a constant, of Some(\"N\")"),
            ("Self::NAME", "a constant, of None"),
            ("U::NAME", "a constant, of None"),
            ("crate::limits::PAGES", "a constant, of None"),
            ("self::limits::PAGES", "a constant, of None"),
        ] {
            assert_eq!(resolved(function, path), expected, "{path}");
        }
        assert_eq!(resolved("async fn f(id: u64) {}", "self::VERSION"), "a constant, of None");
    }

    #[test]
    fn what_stands_for_nothing_is_said_with_the_cure() {
        let generic = "async fn f<T: Row, const SIZE: usize>(user: u64) -> T {}";
        for (function, path, cure) in [
            (generic, "usr", "did you mean `<user>`?"),
            (generic, "T", "write a constant of it, as in `<T::NAME>`"),
            (generic, "T.KIND", "write a constant of it, as in `<T::KIND>`"),
            (generic, "Self", "write a constant of it, as in `<Self::NAME>`"),
            (generic, "SIZ", "did you mean `<SIZE>`?"),
            (generic, "NAME", "did you mean `<T::NAME>`?"),
            (generic, "t", "did you mean `<T::NAME>`?"),
            (generic, "user::id", "write `<user.id>`"),
            (generic, "elsewhere", "use one of these"),
            ("async fn f(&self) {}", "NAME", "did you mean `<Self::NAME>`?"),
            ("async fn f(&self) {}", "self::name", "write `<self.name>`"),
            ("async fn f() {}", "VERSION", "did you mean `<self::VERSION>`?"),
            ("async fn f() {}", "name", "remove the placeholder"),
        ] {
            assert_eq!(resolved(function, path), cure, "{path} of {function}");
        }
    }
}

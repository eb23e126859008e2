//! The key template: literals and placeholders, and the proof that no two lists of arguments make one key.

use syn::Ident;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;

/// What a value may look like in a key besides ASCII letters and digits. This is the runtime's `KeyWriter` alphabet:
/// unreserved characters, the mark of an escape, and the brackets and commas of composite values.
const VALUE_PUNCTUATION: &str = "-._~%()[],!";

/// A piece of the template.
#[derive(Debug, PartialEq)]
pub(crate) enum Segment {
    Literal(String),
    Placeholder(Placeholder),
}

/// `<id>`, `<user.id>`, `<self.tenant>`, `<pair.0>`; `<T::NAME>`, `<Self::LIMITS.pages>`, `<N>`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placeholder {
    /// The parameter or `self`, or the beginning of the path of a constant; without `r#`.
    pub(crate) root: String,
    /// The rest of the path of a constant; without `r#`.
    pub(crate) items: Vec<String>,
    /// The way from there to the field, if any; without `r#`.
    pub(crate) fields: Vec<String>,
}

/// A template in its pieces, and what is malformed in it.
#[derive(Default)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    pub(crate) malformed: Vec<String>,
    /// The literal that is being read.
    literal: String,
}

impl Template {
    /// Takes a template apart.
    ///
    /// Input:  `"{user:<user.id>}:v1"`
    /// Output: `Literal("{user:")`, `Placeholder(user, [id])`, `Literal("}:v1")`
    pub(crate) fn parse(text: &str) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find(['<', '>']) {
            let (before, mark) = rest.split_at(at);
            template.literal.push_str(before);
            rest = template.step(mark);
        }
        template.literal.push_str(rest);
        template.end_literal();
        if text.is_empty() {
            template
                .malformed
                .push("`key` is empty: write where the value is kept, as in `\"user:<id>:v1\"`".to_owned());
        }
        template
    }

    /// Reads what begins with the `<` or `>` at the start of `mark`, and returns what follows it.
    fn step<'t>(&mut self, mark: &'t str) -> &'t str {
        for (twice, once) in [("<<", '<'), (">>", '>')] {
            if let Some(rest) = mark.strip_prefix(twice) {
                self.literal.push(once);
                return rest;
            }
        }
        let Some(inside) = mark.strip_prefix('<') else {
            self.malformed.push("stray `>` in `key`: a placeholder is `<parameter>`, a literal `>` is `>>`".to_owned());
            return mark.trim_start_matches('>');
        };
        let (path, rest) = inside.split_at(inside.find(['<', '>']).unwrap_or(inside.len()));
        let Some(rest) = rest.strip_prefix('>') else {
            self.malformed.push(unclosed(path));
            return rest;
        };
        match Placeholder::parse(path) {
            Ok(placeholder) => {
                self.end_literal();
                self.segments.push(Segment::Placeholder(placeholder));
            }
            Err(error) => self.malformed.push(error),
        }
        rest
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.segments.push(Segment::Literal(std::mem::take(&mut self.literal)));
        }
    }
}

fn unclosed(path: &str) -> String {
    let path = without_format(path);
    let name = path.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | ':')).next().unwrap_or_default();
    let name = if name.is_empty() { "parameter" } else { name };
    format!("`<` without its `>` in `key`: a placeholder is `<{name}>`, a literal `<` is `<<`")
}

impl Placeholder {
    /// Parses what stands between `<` and `>`.
    fn parse(path: &str) -> Result<Self, String> {
        if path.is_empty() {
            return Err("empty placeholder `<>` in `key`: name a parameter in it, as in `<id>`".to_owned());
        }
        if let Some(placeholder) = Self::read(path) {
            return Ok(placeholder);
        }
        let close: String = without_format(path).chars().filter(|c| !c.is_whitespace()).collect();
        let cure = if close != path && Self::read(&close).is_some() {
            format!("write `<{close}>`")
        } else {
            "a placeholder is a parameter, a field of one, or a constant: `<id>`, `<user.id>`, `<self.tenant>`, `<T::NAME>`"
                .to_owned()
        };
        Err(format!("`<{path}>` in `key` is not a placeholder: {cure}"))
    }

    fn read(path: &str) -> Option<Self> {
        let mut fields = path.split('.');
        let mut items = fields.next()?.split("::").map(str::to_owned);
        let root = items.next()?;
        let (items, fields): (Vec<_>, Vec<_>) = (items.collect(), fields.map(str::to_owned).collect());
        let is_placeholder =
            is_name(&root) && items.iter().all(|item| is_item(item)) && fields.iter().all(|field| is_field(field));
        is_placeholder.then_some(Self { root, items, fields })
    }
}

/// What stands before a single `:`, which is how `format!` separates a format: `id` in `id:05`.
fn without_format(path: &str) -> String {
    let mut pieces = Vec::new();
    for piece in path.split("::") {
        let name = piece.split(':').next().unwrap_or_default();
        pieces.push(name);
        if name != piece {
            break;
        }
    }
    pieces.join("::")
}

impl std::fmt::Display for Placeholder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}", self.root)?;
        self.items.iter().try_for_each(|item| write!(f, "::{item}"))?;
        self.fields.iter().try_for_each(|field| write!(f, ".{field}"))?;
        f.write_str(">")
    }
}

fn is_name(text: &str) -> bool {
    text != "_" && text.chars().all(|c| c == '_' || c.is_alphanumeric()) && Ident::parse_any.parse_str(text).is_ok()
}

fn is_item(text: &str) -> bool {
    is_name(text) && !matches!(text, "self" | "Self" | "crate")
}

fn is_field(text: &str) -> bool {
    is_index(text) || (is_name(text) && !matches!(text, "self" | "Self" | "super" | "crate"))
}

fn is_index(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|index| index.to_string() == text)
}

/// The pairs of neighbouring placeholders whose values could run into each other: `ab` and `c` beside `a` and `bc`.
///
/// The first character outside of the values' alphabet ends a value; so a literal with one such character keeps its
/// neighbours apart, and a template whose inner literals all have one is an injective map.
pub(crate) fn ambiguities(segments: &[Segment]) -> Vec<String> {
    let mut found = Vec::new();
    let mut last: Option<&Placeholder> = None;
    let mut between = "";
    for segment in segments {
        match segment {
            Segment::Literal(literal) => between = literal,
            Segment::Placeholder(placeholder) => {
                if let Some(last) = last.filter(|_| between.chars().all(may_be_in_a_value)) {
                    found.push(ambiguity(last, between, placeholder));
                }
                (last, between) = (Some(placeholder), "");
            }
        }
    }
    found
}

fn may_be_in_a_value(c: char) -> bool {
    c.is_ascii_alphanumeric() || VALUE_PUNCTUATION.contains(c)
}

fn ambiguity(left: &Placeholder, between: &str, right: &Placeholder) -> String {
    let what = match between {
        "" => format!("nothing separates `{left}` from `{right}` in `key`"),
        _ => format!("`{between}` does not separate `{left}` from `{right}` in `key`, since values may contain it"),
    };
    format!("{what}, so different arguments could share a key: put a `:` between them, `{left}:{between}{right}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.to_owned())
    }

    fn placeholder(path: &str) -> Segment {
        Segment::Placeholder(Placeholder::parse(path).unwrap())
    }

    fn errors(template: &str) -> Vec<String> {
        let template = Template::parse(template);
        [template.malformed, ambiguities(&template.segments)].concat()
    }

    #[test]
    fn a_template_is_literals_and_placeholders() {
        let cases = [
            ("config", vec![literal("config")]),
            ("<id>", vec![placeholder("id")]),
            ("user:<id>:v1", vec![literal("user:"), placeholder("id"), literal(":v1")]),
            (
                "{<self.tenant>}:<p.0>",
                vec![literal("{"), placeholder("self.tenant"), literal("}:"), placeholder("p.0")],
            ),
            ("<type>", vec![placeholder("type")]),
            ("<T::NAME>:<N>", vec![placeholder("T::NAME"), literal(":"), placeholder("N")]),
            ("<Self::Item::LIMITS.0>", vec![placeholder("Self::Item::LIMITS.0")]),
            ("<super::super::VERSION>", vec![placeholder("super::super::VERSION")]),
            ("a<<b>>c", vec![literal("a<b>c")]),
            ("<<<id>>>", vec![literal("<"), placeholder("id"), literal(">")]),
            ("größe:<größe>", vec![literal("größe:"), placeholder("größe")]),
        ];
        for (template, expected) in cases {
            assert_eq!(Template::parse(template).segments, expected, "{template}");
            assert_eq!(errors(template), [] as [&str; 0], "{template}");
        }
    }

    #[test]
    fn what_is_malformed_is_said_with_the_cure() {
        for (template, expected) in [
            ("", "`key` is empty"),
            ("user:<>", "empty placeholder `<>` in `key`: name a parameter in it, as in `<id>`"),
            ("user:<id", "`<` without its `>` in `key`: a placeholder is `<id>`, a literal `<` is `<<`"),
            ("user:<id:v1", "`<` without its `>` in `key`: a placeholder is `<id>`, a literal `<` is `<<`"),
            ("user:id>", "stray `>` in `key`: a placeholder is `<parameter>`, a literal `>` is `>>`"),
            ("< id >", "`< id >` in `key` is not a placeholder: write `<id>`"),
            ("user:<T::NAME:v1", "`<` without its `>` in `key`: a placeholder is `<T::NAME>`, a literal `<` is `<<`"),
            ("<id:05>", "`<id:05>` in `key` is not a placeholder: write `<id>`"),
            ("<T :: NAME>", "`<T :: NAME>` in `key` is not a placeholder: write `<T::NAME>`"),
            ("<T::NAME:?>", "`<T::NAME:?>` in `key` is not a placeholder: write `<T::NAME>`"),
            (
                "<T::name()>",
                "`<T::name()>` in `key` is not a placeholder: a placeholder is a parameter, a field of one, or a",
            ),
            ("<T::>", "`<T::>` in `key` is not a placeholder: a placeholder is"),
            ("<::T>", "`<::T>` in `key` is not a placeholder: a placeholder is"),
            ("<T::Self>", "`<T::Self>` in `key` is not a placeholder: a placeholder is"),
            ("<T::0>", "`<T::0>` in `key` is not a placeholder: a placeholder is"),
            ("<user.name()>", "`<user.name()>` in `key` is not a placeholder: a placeholder is a parameter"),
            ("<user.>", "`<user.>` in `key` is not a placeholder: a placeholder is a parameter"),
            ("<.id>", "`<.id>` in `key` is not a placeholder"),
            ("<0>", "`<0>` in `key` is not a placeholder"),
            ("<a.01>", "`<a.01>` in `key` is not a placeholder"),
            ("<a.self>", "`<a.self>` in `key` is not a placeholder"),
            ("<_>", "`<_>` in `key` is not a placeholder"),
        ] {
            let found = errors(template);
            assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{template}: {found:?}");
        }
    }

    #[test]
    fn a_placeholder_is_shown_as_it_is_written() {
        for path in ["id", "user.team.0", "T::NAME", "Self::Item::LIMITS.pages"] {
            assert_eq!(Placeholder::parse(path).unwrap().to_string(), format!("<{path}>"));
        }
    }

    #[test]
    fn constants_need_to_be_kept_apart_too() {
        assert_eq!(errors("<T::NAME><id>:<N>-<M>").len(), 2);
        assert_eq!(errors("<T::NAME>:<id>").len(), 0);
    }

    #[test]
    fn every_mistake_is_found_not_only_the_first() {
        assert_eq!(errors("<>:<a><b>:x>:<c").len(), 4);
        assert_eq!(errors("a:<b<c>").len(), 1);
    }

    #[test]
    fn neighbours_need_a_character_that_no_value_contains() {
        for separator in ["", "x", "0", "-", ".", "_", "~", "%", "%2F", ",", "()", "[", "!", "-v1-"] {
            assert_eq!(errors(&format!("<a>{separator}<b>")).len(), 1, "{separator}");
        }
        for separator in [":", "/", "-:-", "}", " ", "|", "#", "é", "<<", "$"] {
            assert_eq!(errors(&format!("<a>{separator}<b>")).len(), 0, "{separator}");
        }
        let expected = "`-` does not separate `<a>` from `<b>` in `key`, since values may contain it, so different \
                        arguments could share a key: put a `:` between them, `<a>:-<b>`";
        assert_eq!(errors("<a>-<b>"), [expected]);
    }
}

//! The names in a list of tokens: which there are, and other lifetimes in the place of some.

use std::collections::HashSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Lifetime;

use crate::target::word;

/// Identifiers, except for fields and methods behind a `.`, and lifetimes with their `'`.
#[derive(Default)]
pub(crate) struct Names(pub(crate) HashSet<String>);

impl Names {
    pub(crate) fn of(tokens: impl ToTokens) -> Self {
        let mut names = Self::default();
        names.add(tokens);
        names
    }

    pub(crate) fn add(&mut self, tokens: impl ToTokens) {
        let mut before = None;
        for token in tokens.into_token_stream() {
            match (&token, before) {
                (TokenTree::Ident(name), Some('\'')) => self.0.extend([format!("'{name}")]),
                (TokenTree::Ident(name), before) if before != Some('.') => self.0.extend([word(name)]),
                (TokenTree::Group(group), _) => self.add(group.stream()),
                _ => {}
            }
            before = match (&token, before) {
                // The second dot of a range does not lead to a field.
                (TokenTree::Punct(mark), Some('.')) if mark.as_char() == '.' => None,
                (TokenTree::Punct(mark), _) => Some(mark.as_char()),
                _ => None,
            };
        }
    }

    /// Adds what texts name in braces, as those of `format!` do.
    pub(crate) fn add_from_texts(&mut self, tokens: impl ToTokens) {
        for token in tokens.into_token_stream() {
            match token {
                TokenTree::Literal(text) => {
                    let is_of_name = |c: &char| c.is_alphanumeric() || *c == '_';
                    let names = text.to_string();
                    let names = names.split('{').skip(1).map(|rest| rest.chars().take_while(is_of_name).collect());
                    self.0.extend(names.filter(|name: &String| !name.is_empty()));
                }
                TokenTree::Group(group) => self.add_from_texts(group.stream()),
                _ => {}
            }
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// Replaces lifetimes in a type. `new` is asked with the name of each, and with `None` for a reference that names none.
pub(crate) fn replace_lifetimes(of: impl ToTokens, new: &dyn Fn(Option<&str>) -> Option<&'static str>) -> TokenStream {
    let mut tokens = of.into_token_stream().into_iter().peekable();
    let mut replaced = TokenStream::new();
    while let Some(token) = tokens.next() {
        let span = token.span();
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '\'' => {
                let lifetime = tokens.next().into_iter().map(|name| format!("'{name}"));
                let lifetime = lifetime.map(|name| Lifetime::new(new(Some(&name)).unwrap_or(&name), span));
                lifetime.for_each(|lifetime| lifetime.to_tokens(&mut replaced));
            }
            TokenTree::Punct(mark) if mark.as_char() == '&' => {
                mark.to_tokens(&mut replaced);
                let is_named = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'');
                let elided = new(None).filter(|_| !is_named);
                elided.map(|lifetime| Lifetime::new(lifetime, span)).to_tokens(&mut replaced);
            }
            // Braces in a type hold an expression.
            TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => {
                let mut inside = Group::new(group.delimiter(), replace_lifetimes(group.stream(), new));
                inside.set_span(span);
                inside.to_tokens(&mut replaced);
            }
            other => other.to_tokens(&mut replaced),
        }
    }
    replaced
}

/// Replaces each `impl Trait + 'a` in a type, which has no name that a `let` could say.
///
/// Input:  `Result<Vec<u8>, impl Error + Send>`, `_`
/// Output: `Result<Vec<u8>, _>`
pub(crate) fn replace_opaque(of: impl ToTokens, with: &TokenStream) -> TokenStream {
    let mut replaced = TokenStream::new();
    // How many `<` are open inside of an `impl` that is left out.
    let mut inside: Option<usize> = None;
    let mut is_arrow = false;
    for token in of.into_token_stream() {
        inside = match (&token, inside) {
            (TokenTree::Ident(word), None) if word == "impl" => {
                with.to_tokens(&mut replaced);
                Some(0)
            }
            (TokenTree::Punct(mark), inside) if is_arrow && mark.as_char() == '>' => inside,
            (TokenTree::Punct(mark), Some(0)) if matches!(mark.as_char(), ',' | '>') => None,
            (TokenTree::Punct(mark), Some(open)) if mark.as_char() == '<' => Some(open + 1),
            (TokenTree::Punct(mark), Some(open)) if mark.as_char() == '>' => Some(open - 1),
            (_, inside) => inside,
        };
        is_arrow = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '-');
        match token {
            _ if inside.is_some() => {}
            TokenTree::Group(group) => {
                let mut other = Group::new(group.delimiter(), replace_opaque(group.stream(), with));
                other.set_span(group.span());
                other.to_tokens(&mut replaced);
            }
            other => other.to_tokens(&mut replaced),
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_and_lifetimes_but_not_fields() {
        let tokens: TokenStream = "a.b(c).d + [e; 0..f] + r#g::<'h, I> + 0.5".parse().unwrap();
        let mut names: Vec<_> = Names::of(tokens).0.into_iter().collect();
        names.sort();
        assert_eq!(names, ["'h", "I", "a", "c", "e", "f", "g"]);
    }

    #[test]
    fn texts_name_what_stands_in_braces() {
        let tokens: TokenStream = r##"f("{a} {b:?}", [r#"{{"c": {d}"#, "e"], 'f', b"{}")"##.parse().unwrap();
        let mut names = Names::default();
        names.add_from_texts(tokens);
        let mut names: Vec<_> = names.0.into_iter().collect();
        names.sort();
        assert_eq!(names, ["a", "b", "d"]);
    }

    #[test]
    fn opaque_types_become_another() {
        let replace = |text: &str| {
            let tokens: TokenStream = text.parse().unwrap();
            replace_opaque(tokens, &quote::quote!(_)).to_string().replace(' ', "")
        };
        assert_eq!(replace("Result<u8, impl Into<Box<dyn Error>> + 'a>"), "Result<u8,_>");
        assert_eq!(replace("(impl Fn(u8) -> Vec<u8>, fn() -> u8)"), "(_,fn()->u8)");
        assert_eq!(replace("impl Error"), "_");
    }

    #[test]
    fn lifetimes_become_others() {
        let replace = |text: &str, new: &dyn Fn(Option<&str>) -> Option<&'static str>| {
            let tokens: TokenStream = text.parse().unwrap();
            replace_lifetimes(tokens, new).to_string().replace(' ', "")
        };
        let owned = |text| replace(text, &|_| Some("'static"));
        assert_eq!(owned("Cow<'a, [&str]>"), "Cow<'static,[&'staticstr]>");
        assert_eq!(owned("(&&'a mut T, dyn X + '_)"), "(&'static&'staticmutT,dynX+'static)");
        assert_eq!(owned("[u8; { A & B }]"), "[u8;{A&B}]");
        let elided = |text| replace(text, &|name| (name? == "'a").then_some("'_"));
        assert_eq!(elided("(&'a str, &'b str, &str)"), "(&'_str,&'bstr,&str)");
    }
}

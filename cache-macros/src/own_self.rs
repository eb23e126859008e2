//! `self` by another name, for statements that have a copy of it.

use proc_macro2::{Delimiter, Group, Ident, Literal, Spacing, TokenStream, TokenTree};

/// The name of the copy.
pub(crate) const OWN_SELF: &str = "__self";

/// Statements with another name for `self`.
#[derive(Default)]
pub(crate) struct Renamed {
    pub(crate) statements: TokenStream,
    pub(crate) is_found: bool,
    /// Texts in macro calls that name `self` in braces, where it cannot be renamed: a macro may mean them as they are.
    pub(crate) in_texts: Vec<Literal>,
}

/// Renames `self`, in macro calls too, but neither in paths (`self::name`) nor in nested functions, which have their own.
///
/// Input:  `fn twice(n: u8) -> u8 { n * 2 } self.load(twice(id)).await`
/// Output: `fn twice(n: u8) -> u8 { n * 2 } __self.load(twice(id)).await`
pub(crate) fn rename_self(statements: TokenStream) -> Renamed {
    let mut renamed = Renamed::default();
    renamed.statements = renamed.rename(statements, Inside::Code);
    renamed
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Code,
    MacroCall,
}

impl Renamed {
    fn rename(&mut self, tokens: TokenStream, inside: Inside) -> TokenStream {
        let mut tokens = tokens.into_iter().peekable();
        let mut renamed: Vec<TokenTree> = Vec::new();
        while let Some(token) = tokens.next() {
            let next = tokens.peek();
            let is_end = end_of_verbatim(&token, next);
            let is_call = is_mark(renamed.last(), '!');
            renamed.push(match token {
                TokenTree::Ident(word) if word == "self" && !is_path(next) => {
                    self.is_found = true;
                    Ident::new(OWN_SELF, word.span()).into()
                }
                TokenTree::Group(group) => {
                    let inside = if is_call { Inside::MacroCall } else { inside };
                    let mut other = Group::new(group.delimiter(), self.rename(group.stream(), inside));
                    other.set_span(group.span());
                    other.into()
                }
                TokenTree::Literal(text) if inside == Inside::MacroCall && names_self(&text) => {
                    self.is_found = true;
                    self.in_texts.push(text.clone());
                    text.into()
                }
                other => other,
            });
            let Some(is_end) = is_end else { continue };
            for token in tokens.by_ref() {
                let is_last = is_end(&token);
                renamed.push(token);
                if is_last {
                    break;
                }
            }
        }
        renamed.into_iter().collect()
    }
}

/// What begins with these two tokens and has no `self` of this function: how it ends.
fn end_of_verbatim(token: &TokenTree, next: Option<&TokenTree>) -> Option<fn(&TokenTree) -> bool> {
    match token {
        TokenTree::Ident(word) if word == "fn" && matches!(next, Some(TokenTree::Ident(_))) => Some(ends_function),
        TokenTree::Ident(word) if word == "use" && !is_mark(next, '<') => Some(|token| is_mark(Some(token), ';')),
        TokenTree::Ident(word) if word == "pub" && is_group(next, Delimiter::Parenthesis) => Some(|_| true),
        TokenTree::Punct(mark) if mark.as_char() == '#' && is_group(next, Delimiter::Bracket) => Some(|_| true),
        _ => None,
    }
}

fn ends_function(token: &TokenTree) -> bool {
    is_group(Some(token), Delimiter::Brace) || is_mark(Some(token), ';')
}

fn is_mark(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == expected)
}

fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

/// Whether `self` before this is a module.
fn is_path(next: Option<&TokenTree>) -> bool {
    matches!(next, Some(TokenTree::Punct(mark)) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint)
}

fn names_self(text: &Literal) -> bool {
    let text = text.to_string();
    text.contains('"') && ["{self}", "{self:"].iter().any(|place| text.contains(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(statements: &str) -> String {
        rename_self(statements.parse().unwrap()).statements.to_string()
    }

    #[test]
    fn self_is_renamed_wherever_it_is_the_receiver() {
        for (statements, expected) in [
            ("self.load(self, &self.id)", "__self.load(__self, &__self.id)"),
            ("let this = self; println!(\"{}\", self.id)", "let this = __self; println!(\"{}\", __self.id)"),
            ("let f: fn(u8) -> u8 = self.f; f(1)", "let f: fn(u8) -> u8 = __self.f; f(1)"),
            ("|x| async move { self.get(x) }", "|x| async move { __self.get(x) }"),
            ("f::<dyn Fn() + use<'a>>(self)", "f::<dyn Fn() + use<'a>>(__self)"),
        ] {
            let expected: TokenStream = expected.parse().unwrap();
            assert_eq!(rename(statements), expected.to_string(), "{statements}");
        }
    }

    #[test]
    fn what_has_its_own_self_keeps_it() {
        for statements in [
            "self::load(id)",
            "use self::inner::{self, other}; f()",
            "pub(self) struct S;",
            "impl S { #[get(self)] async fn get<T: Fn(u8)>(&self, t: T) -> u8 where T: X, { self.0 } }",
            "trait T { fn get(self: Arc<Self>) -> u8; }",
            "itself(r#selfish)",
        ] {
            let tokens: TokenStream = statements.parse().unwrap();
            let renamed = rename_self(tokens.clone());
            assert_eq!(renamed.statements.to_string(), tokens.to_string());
            assert!(!renamed.is_found, "{statements}");
        }
    }

    #[test]
    fn texts_that_name_self_are_found_in_macro_calls() {
        let texts = |statements: &str| rename_self(statements.parse().unwrap()).in_texts.len();
        assert_eq!(texts("println!(\"{self} {self:?}\"); format!(\"{}\", f(r\"{self}\"))"), 2);
        assert_eq!(texts("let text = \"{self}\"; println!(\"{id}\")"), 0);
    }
}

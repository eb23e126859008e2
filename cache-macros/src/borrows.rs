//! What borrows in a type, and the type to write instead.

use proc_macro2::{Delimiter, Group, Punct, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};

type Tokens = std::iter::Peekable<proc_macro2::token_stream::IntoIter>;

/// The type that owns what this one borrows; nothing where it borrows nothing, as far as it says.
///
/// Input:  `Option<&str>`, `Ctx<'_>`, `Box<dyn Fn(&str) -> &str>`
/// Output: `Option<String>`, `Ctx<'static>`, nothing
pub(crate) fn without(ty: impl ToTokens) -> Option<TokenStream> {
    let mut borrows = Borrows { of_binder: Vec::new(), is_found: false };
    let owned = borrows.own(ty.into_token_stream());
    borrows.is_found.then_some(owned)
}

struct Borrows {
    /// The lifetimes that a `for<'a>` declares: what has these borrows at its own calls.
    of_binder: Vec<String>,
    is_found: bool,
}

impl Borrows {
    fn own(&mut self, tokens: TokenStream) -> TokenStream {
        let mut tokens = tokens.into_iter().peekable();
        let mut owned = TokenStream::new();
        while let Some(token) = tokens.next() {
            match &token {
                TokenTree::Punct(mark) if mark.as_char() == '&' => self.reference(mark, &mut tokens, &mut owned),
                TokenTree::Punct(mark) if mark.as_char() == '\'' => {
                    owned.extend([token.clone()]);
                    let name = tokens.next().map(|name| name.to_string()).unwrap_or_default();
                    owned.extend(self.lifetime(&name));
                }
                // What stands behind it is an expression.
                TokenTree::Punct(mark) if mark.as_char() == ';' => {
                    owned.extend([token].into_iter().chain(tokens.by_ref()));
                }
                TokenTree::Ident(word) if word == "for" => {
                    owned.extend([token.clone()]);
                    self.binder(&mut tokens, &mut owned);
                }
                TokenTree::Ident(word) => {
                    let is_type = ["dyn", "impl", "mut", "const"].iter().any(|before| word == before);
                    owned.extend([token.clone()]);
                    if !is_type && is_group(tokens.peek(), Delimiter::Parenthesis) {
                        owned.extend(tokens.next());
                        signature(&mut tokens, &mut owned);
                    }
                }
                TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => {
                    let mut other = Group::new(group.delimiter(), self.own(group.stream()));
                    other.set_span(group.span());
                    owned.extend([TokenTree::from(other)]);
                }
                _ => owned.extend([token]),
            }
        }
        owned
    }

    /// Input:  `&'a str`, `&mut [u8]`, `&User`, `&'static str`
    /// Output: `String`, `Vec<u8>`, `User`, `&'static str`
    fn reference(&mut self, mark: &Punct, tokens: &mut Tokens, owned: &mut TokenStream) {
        if matches!(tokens.peek(), Some(TokenTree::Punct(mark)) if mark.as_char() == '\'') {
            let quote = tokens.next();
            let lifetime = tokens.next();
            if lifetime.as_ref().is_some_and(|lifetime| lifetime.to_string() == "static") {
                owned.extend([TokenTree::from(mark.clone())].into_iter().chain(quote).chain(lifetime));
                return;
            }
        }
        self.is_found = true;
        if matches!(tokens.peek(), Some(TokenTree::Ident(word)) if word == "mut") {
            tokens.next();
        }
        match tokens.peek() {
            Some(TokenTree::Ident(word)) if word == "str" => {
                tokens.next();
                owned.extend(quote!(String));
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket && !is_array(group) => {
                let items = self.own(group.stream());
                tokens.next();
                owned.extend(quote!(Vec<#items>));
            }
            _ => {}
        }
    }

    fn lifetime(&mut self, name: &str) -> TokenStream {
        let is_own = name == "static" || self.of_binder.iter().any(|bound| bound == name);
        self.is_found |= !is_own;
        let name = if is_own { name } else { "static" };
        proc_macro2::Ident::new(name, proc_macro2::Span::call_site()).into_token_stream()
    }

    /// Input: `<'a, 'b>`, behind `for`
    fn binder(&mut self, tokens: &mut Tokens, owned: &mut TokenStream) {
        for token in tokens.by_ref() {
            let is_end = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '>');
            if let TokenTree::Ident(name) = &token {
                self.of_binder.push(name.to_string());
            }
            owned.extend([token]);
            if is_end {
                break;
            }
        }
    }
}

/// Takes what a function returns: `-> &str`, up to where the next argument or bound begins.
fn signature(tokens: &mut Tokens, owned: &mut TokenStream) {
    let Some(TokenTree::Punct(mark)) = tokens.peek() else { return };
    if mark.as_char() != '-' || mark.spacing() != Spacing::Joint {
        return;
    }
    owned.extend(tokens.by_ref().take(2));
    let mut open = 0_usize;
    while let Some(token) = tokens.peek() {
        if let TokenTree::Punct(mark) = token {
            match (mark.as_char(), open) {
                (',' | '+' | '=' | '>', 0) => break,
                ('<', _) => open += 1,
                ('>', _) => open -= 1,
                _ => {}
            }
        }
        owned.extend(tokens.next());
    }
}

fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

fn is_array(group: &Group) -> bool {
    group.stream().into_iter().any(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ';'))
}

/// Tokens as one types them.
pub(crate) fn text(tokens: impl ToTokens) -> String {
    let text = tokens.into_token_stream().to_string();
    let pairs = [
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" :: ", "::"),
        (":: ", "::"),
        (" : ", ": "),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ;", ";"),
    ];
    let text = pairs.iter().fold(text, |text, (from, to)| text.replace(from, to));
    text.replace(",(", ", (")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(ty: &str) -> Option<String> {
        without(syn::parse_str::<syn::Type>(ty).unwrap()).map(text)
    }

    #[test]
    fn what_borrows_has_an_owned_form() {
        for (ty, expected) in [
            ("&str", "String"),
            ("&'a mut [u8]", "Vec<u8>"),
            ("&&User", "User"),
            ("Option<&str>", "Option<String>"),
            ("&[&str]", "Vec<String>"),
            ("[&str; 3]", "[String; 3]"),
            ("&[u8; 3]", "[u8; 3]"),
            ("Ctx<'_>", "Ctx<'static>"),
            ("Cow<'a, str>", "Cow<'static, str>"),
            ("(&Db, u64)", "(Db, u64)"),
            ("HashMap<&str, Vec<&[u8]>>", "HashMap<String, Vec<Vec<u8>>>"),
            ("impl Fn(&str) -> u8 + 'a", "impl Fn(&str) -> u8 + 'static"),
            ("Pin<&mut Self>", "Pin<Self>"),
        ] {
            assert_eq!(owned(ty).as_deref(), Some(expected), "{ty}");
        }
    }

    #[test]
    fn what_owns_is_left() {
        for ty in [
            "u64",
            "&'static str",
            "Option<&'static [u8]>",
            "Path<u64>",
            "fn(&str) -> Option<&str>",
            "Box<dyn Fn(&str) -> Cow<'_, str> + Send>",
            "impl for<'a> Fn(&'a str)",
            "impl for<'de> Deserialize<'de> + Send",
            "[u8; A & B]",
            "Vec<[u8; { &N }]>",
        ] {
            assert_eq!(owned(ty), None, "{ty}");
        }
    }
}

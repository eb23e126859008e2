//! Where expanded code finds the runtime crate.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Path;

use crate::args::Args;

/// The path of the runtime crate: `::cache_runtime`, or what `crate = …` says.
pub(crate) struct RuntimePath<'a>(Option<&'a Path>);

impl<'a> RuntimePath<'a> {
    pub(crate) fn new(args: &'a Args) -> Self {
        Self(args.runtime.as_ref().map(|runtime| &runtime.value))
    }

    /// The path, with errors and lints about what it leads to reported at `span`. They go by where it begins, which is the
    /// leading `::` or the first name. The other names stay where the user wrote them, or at the attribute, so that one
    /// that does not exist is one error, and not one for each use.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        let Some(path) = self.0 else {
            let name = quote_spanned!(Span::mixed_site()=> cache_runtime);
            return quote_spanned!(span=> ::#name);
        };
        let mut tokens: Vec<_> = path.to_token_stream().into_iter().collect();
        let colons = tokens.iter().take_while(|token| matches!(token, TokenTree::Punct(_))).count();
        for token in tokens.iter_mut().take(colons.max(1)) {
            token.set_span(token.span().located_at(span));
        }
        tokens.into_iter().collect()
    }
}

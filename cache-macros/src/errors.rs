//! Errors are collected, so that one compile shows all of them, each at its token and with the text to type instead.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// All that is wrong with one use of an attribute.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// An error that covers `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// An error about the attribute as a whole.
    pub(crate) fn at_attribute(&mut self, message: impl Display) {
        self.add(syn::Error::new(Span::call_site(), message));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }
}

/// `` `a`, `b`, `c` ``
pub(crate) fn quoted<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// The candidate that `word` is probably a slip of.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (slips(word, candidate), candidate))
        .filter(|(slips, candidate)| *slips <= limit || is_part(word, candidate))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Whether one is a whole `_`-separated part of the other, as `id` is of `user_id`.
fn is_part(one: &str, other: &str) -> bool {
    one.split('_').any(|part| part == other) || other.split('_').any(|part| part == one)
}

/// How many characters must be put in, left out, replaced or swapped with their neighbour (optimal string alignment,
/// on three rows of its table).
fn slips(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut this = vec![row + 1];
        let mut left = row + 1;
        let mut previous_target = None;
        for (column, target) in to.iter().copied().enumerate() {
            let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = cell(&last, column) + usize::from(letter != target);
            let mut best = replaced.min(cell(&last, column + 1) + 1).min(left + 1);
            if previous == Some(target) && previous_target == Some(letter) {
                best = best.min(cell(&before_last, column.wrapping_sub(1)) + 1);
            }
            this.push(best);
            left = best;
            previous_target = Some(target);
        }
        before_last = std::mem::replace(&mut last, this);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_count_what_a_typist_does() {
        for (from, to, count) in [("", "", 0), ("", "ab", 2), ("ttl", "ttl", 0), ("tlt", "ttl", 1), ("kye", "key", 1)] {
            assert_eq!(slips(from, to), count, "{from} -> {to}");
        }
        assert_eq!(slips("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_name_is_proposed_and_a_far_one_is_not() {
        let names = ["key", "ttl", "lock", "skip", "jitter", "fail_open", "user_id"];
        for (word, expected) in [
            ("tll", Some("ttl")),
            ("jiter", Some("jitter")),
            ("failopen", Some("fail_open")),
            ("id", Some("user_id")),
            ("tags", None),
            ("stale_while_revalidate", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
        assert_eq!(nearest("uid", ["db", "id"]), Some("id"));
    }
}

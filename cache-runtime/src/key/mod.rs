//! Keys: an injective map from arguments to text, so that different arguments never share an entry.
//!
//! A key is the cache's prefix, then the template with each placeholder replaced by its value. The proof that the map
//! is injective has two halves. A value is written with the characters of [`ALPHABET`](KeyWriter#alphabet) only, all
//! others percent-encoded (RFC 3986, section 2.1), and the text of a value determines it among the values of its type.
//! The macro refuses a template in which the literal between two placeholders has no character from outside of that
//! alphabet; so the first such character after a value ends it.

mod parts;

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

/// Keys longer than this many bytes are shortened: their beginning is kept (with the prefix, for access rules and
/// patterns, and the hash tag, if it ends there), the whole is represented by its SHA-256.
pub(crate) const MAX_LEN: usize = 250;

/// How much of a long key is kept. With `#` and 64 hexadecimal digits the result is longer than `MAX_LEN`, so that no
/// short key equals it.
const KEPT_LEN: usize = MAX_LEN - 64;

/// Shortens an over-long key.
pub(crate) fn finish(mut key: String) -> String {
    if key.len() <= MAX_LEN {
        return key;
    }
    let digest = Sha256::digest(key.as_bytes());
    let kept = (KEPT_LEN..key.len()).find(|at| key.is_char_boundary(*at)).unwrap_or(key.len());
    key.truncate(kept);
    key.push('#');
    for byte in digest {
        push_hex(&mut key, byte);
    }
    key
}

/// What all keys that begin with this prefix begin with, shortened ones too.
pub(crate) fn kept(prefix: &str) -> &str {
    let kept = (0..=KEPT_LEN.min(prefix.len())).rev().find(|at| prefix.is_char_boundary(*at));
    prefix.get(..kept.unwrap_or_default()).unwrap_or_default()
}

fn push_hex(out: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 0xF] {
        out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

/// A value that can stand in a key.
///
/// Implemented for integers, `bool`, `char`, strings, `Option`, tuples, slices, arrays, `Vec`, `BTreeMap`, `BTreeSet`, and
/// references and smart pointers to these, for addresses, and behind features of their names for the types of `uuid`,
/// `chrono` and `time`. For a type of your own, derive it: all fields then tell its values apart.
///
/// ```
/// use cache_runtime::KeyPart;
///
/// #[derive(KeyPart)]
/// struct Sku { vendor: u32, code: String }
///
/// #[derive(KeyPart)]
/// enum Page { First, Numbered(u32) }
/// ```
///
/// Or write the parts that tell its values apart:
///
/// ```
/// # use cache_runtime::{KeyPart, KeyWriter};
/// # struct Sku { vendor: u32, code: String, seen: u64 }
/// impl KeyPart for Sku {
///     fn write_key(&self, key: &mut KeyWriter<'_>) {
///         key.parts(&[&self.vendor, &self.code]);
///     }
/// }
/// ```
///
/// A type of another crate goes into one of yours, which writes what tells its values apart:
///
/// ```
/// # use cache_runtime::{KeyPart, KeyWriter};
/// # mod rust_decimal { #[derive(Debug)] pub struct Decimal; }
/// # impl std::fmt::Display for rust_decimal::Decimal {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("0.10") }
/// # }
/// struct Price(rust_decimal::Decimal);
///
/// impl KeyPart for Price {
///     fn write_key(&self, key: &mut KeyWriter<'_>) {
///         key.display(&self.0);
///     }
/// }
/// ```
///
/// Floats have no implementation: `NaN` differs from itself, `0.0` equals `-0.0`, and two results of the same
/// computation may differ in the last bit, so a key made of one is a key that misses. Round to an integer first.
/// `HashMap` and `HashSet` are refused, since they have no order: equal ones would be written in different ways. Collect
/// them into a sorted `Vec`, or take a `BTreeMap` or a `BTreeSet`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a cache key",
    label = "this value has no `KeyPart`",
    note = "derive it: `#[derive(cache_runtime::KeyPart)]`, or use a field of it in the template, as in `<user.id>`",
    note = "the types of `uuid`, `chrono` and `time` can, with the feature of that name of `cache-runtime`: \
            `features = [\"uuid\"]`",
    note = "wrap another crate's type, such as a `Decimal`, in one of yours that implements `KeyPart` with \
            `key.display(&self.0)`",
    note = "a parameter that does not select the value goes into `skip(...)`",
    note = "a float cannot: `NaN` differs from itself, and equal results may differ in the last digit; round it to an \
            integer of small units first"
)]
pub trait KeyPart {
    /// Writes this value; the texts of two different values must differ.
    fn write_key(&self, key: &mut KeyWriter<'_>);
}

/// Writes values into a key, escaped.
///
/// # Alphabet
///
/// ASCII letters, digits and `-` `.` `_` `~` stand for themselves (the unreserved characters of RFC 3986), every other
/// byte of a text becomes `%XX`. Composite values also use `(` `)` `[` `]` `,` and `!`.
pub struct KeyWriter<'k> {
    out: &'k mut String,
}

impl<'k> KeyWriter<'k> {
    pub(crate) fn new(out: &'k mut String) -> Self {
        Self { out }
    }

    /// Writes another value.
    pub fn part<P: KeyPart + ?Sized>(&mut self, value: &P) {
        value.write_key(self);
    }

    /// Writes several values so that they stay apart: `(a,b,)`.
    pub fn parts(&mut self, values: &[&dyn KeyPart]) {
        self.raw('(');
        for value in values {
            value.write_key(self);
            self.raw(',');
        }
        self.raw(')');
    }

    /// Writes a text, escaped.
    pub fn text(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| !is_unreserved(*byte)) {
            self.push_unreserved(&rest[..at]);
            self.out.push('%');
            push_hex(self.out, rest[at]);
            rest = &rest[at + 1..];
        }
        self.push_unreserved(rest);
    }

    /// Writes what a `Display` implementation prints, escaped.
    pub fn display(&mut self, value: impl fmt::Display) {
        struct Escaped<'a, 'k>(&'a mut KeyWriter<'k>);
        impl fmt::Write for Escaped<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.text(text);
                Ok(())
            }
        }
        // `Escaped` never fails; a `Display` that does has written what it wanted to show.
        let _ = write!(Escaped(self), "{value}");
    }

    fn push_unreserved(&mut self, ascii: &[u8]) {
        self.out.extend(ascii.iter().map(|byte| char::from(*byte)));
    }

    fn raw(&mut self, mark: char) {
        self.out.push(mark);
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests;

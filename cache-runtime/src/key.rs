//! Keys: an injective map from arguments to text, so that different arguments never share an entry.
//!
//! A key is the cache's prefix, then the template with each placeholder replaced by its value. The proof that the map
//! is injective has two halves. A value is written with the characters of [`ALPHABET`](KeyWriter#alphabet) only, all
//! others percent-encoded (RFC 3986, section 2.1), and the text of a value determines it among the values of its type.
//! The macro refuses a template in which the literal between two placeholders has no character from outside of that
//! alphabet; so the first such character after a value ends it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, NonZeroUsize,
};
use std::rc::Rc;
use std::sync::Arc;

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

fn push_hex(out: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 0xF] {
        out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

/// A value that can stand in a key.
///
/// Implemented for integers, `bool`, `char`, strings, `Option`, tuples, slices, arrays, `Vec`, and references and
/// smart pointers to these. For a type of your own, write the parts that tell its values apart; a tuple keeps
/// several parts apart:
///
/// ```
/// use cache_runtime::{KeyPart, KeyWriter};
///
/// struct Sku { vendor: u32, code: String }
///
/// impl KeyPart for Sku {
///     fn write_key(&self, key: &mut KeyWriter<'_>) {
///         key.part(&(self.vendor, &self.code));
///     }
/// }
/// ```
///
/// Floats have no implementation: `NaN` differs from itself, `0.0` equals `-0.0`, and two results of the same
/// computation may differ in the last bit, so a key made of one is a key that misses. Round to an integer first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a cache key",
    label = "this value has no `KeyPart`",
    note = "implement `cache_runtime::KeyPart` for `{Self}`, or use a field of it in the template, as in `<user.id>`",
    note = "a parameter that does not select the value goes into `skip(...)`; round a float to an integer first"
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

impl KeyPart for str {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self);
    }
}

impl KeyPart for String {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self);
    }
}

impl KeyPart for char {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(self.encode_utf8(&mut [0; 4]));
    }
}

impl KeyPart for bool {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.text(if *self { "true" } else { "false" });
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl KeyPart for $integer {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                key.out.push_str(itoa::Buffer::new().format(*self));
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! non_zero_integers {
    ($($integer:ty),*) => {$(
        impl KeyPart for $integer {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                self.get().write_key(key);
            }
        }
    )*};
}
non_zero_integers!(NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize);
non_zero_integers!(NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize);

macro_rules! pointers {
    ($($(#[$meta:meta])? $pointer:ty),*) => {$(
        impl<P: KeyPart + ?Sized> KeyPart for $pointer {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                (**self).write_key(key);
            }
        }
    )*};
}
pointers!(&P, &mut P, Box<P>, Rc<P>, Arc<P>);

impl<P: KeyPart + ToOwned + ?Sized> KeyPart for Cow<'_, P> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        (**self).write_key(key);
    }
}

/// `None` is `!`. `Some` is its value, behind one more `!` where the value itself begins with one, so that
/// `None`, `Some(None)` and `Some("")` differ.
impl<P: KeyPart> KeyPart for Option<P> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        let Some(value) = self else { return key.raw('!') };
        let start = key.out.len();
        key.part(value);
        if key.out[start..].starts_with('!') {
            key.out.insert(start, '!');
        }
    }
}

/// Every element ends in `,`: an empty slice and a slice of one empty text differ.
impl<P: KeyPart> KeyPart for [P] {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        key.raw('[');
        for element in self {
            key.part(element);
            key.raw(',');
        }
        key.raw(']');
    }
}

impl<P: KeyPart> KeyPart for Vec<P> {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        self.as_slice().write_key(key);
    }
}

impl<P: KeyPart, const N: usize> KeyPart for [P; N] {
    fn write_key(&self, key: &mut KeyWriter<'_>) {
        self.as_slice().write_key(key);
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),+))*) => {$(
        impl<$($name: KeyPart),+> KeyPart for ($($name,)+) {
            fn write_key(&self, key: &mut KeyWriter<'_>) {
                key.raw('(');
                $(key.part(&self.$index); key.raw(',');)+
                key.raw(')');
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_of<P: KeyPart + ?Sized>(value: &P) -> String {
        let mut out = String::new();
        KeyWriter::new(&mut out).part(value);
        out
    }

    #[test]
    fn values_read_as_a_person_would_write_them() {
        assert_eq!(text_of(&7_u64), "7");
        assert_eq!(text_of(&i128::MIN), "-170141183460469231731687303715884105728");
        assert_eq!(text_of("ada@example.org"), "ada%40example.org");
        assert_eq!(text_of("a:b c/ä"), "a%3Ab%20c%2F%C3%A4");
        assert_eq!(text_of(&Some("x")), "x");
        assert_eq!(text_of(&(1_u8, "a,b")), "(1,a%2Cb,)");
        assert_eq!(text_of(&["", "x"]), "[,x,]");
    }

    #[test]
    fn what_is_nearly_the_same_differs() {
        assert_eq!(text_of(&None::<Option<&str>>), "!");
        assert_eq!(text_of(&Some(None::<&str>)), "!!");
        assert_eq!(text_of(&Some(Some(None::<&str>))), "!!!");
        assert_ne!(text_of(&Some("")), text_of(&None::<&str>));
        assert_ne!(text_of(&Some("!")), text_of(&None::<&str>));
        assert_ne!(text_of::<[&str]>(&[]), text_of::<[&str]>(&[""]));
        assert_ne!(text_of(&vec![vec!["a"], vec!["b"]]), text_of(&vec![vec!["a", "b"]]));
    }

    #[test]
    fn long_keys_keep_their_beginning_and_never_equal_a_short_one() {
        let long = |tail: &str| format!("prod:{{tenant}}:{}{tail}", "x".repeat(MAX_LEN));
        let (a, b) = (finish(long("a")), finish(long("b")));
        assert_ne!(a, b);
        assert_eq!(a, finish(long("a")));
        assert!(a.starts_with("prod:{tenant}:xxx") && a.len() == MAX_LEN + 1, "{a}");
        let exact = "x".repeat(MAX_LEN);
        assert_eq!(finish(exact.clone()), exact);
        assert!(finish("ä".repeat(MAX_LEN)).len() > MAX_LEN);
    }

    /// What a template with three placeholders makes of three values.
    fn key_of(values: &(String, Option<String>, Vec<String>)) -> String {
        let mut out = String::from("k:");
        let mut writer = KeyWriter::new(&mut out);
        writer.part(&values.0);
        writer.raw(':');
        writer.part(&values.1);
        writer.raw('/');
        writer.part(&values.2);
        finish(out)
    }

    /// Texts made of the characters that keys give a meaning to, so that accidents would happen if they could.
    fn nasty() -> impl Strategy<Value = String> {
        prop_oneof![4 => "[:/!,%\\[\\](){}<>a0-]{0,4}", 1 => any::<String>(), 1 => "x{200,300}[ab]?"]
    }

    fn arguments() -> impl Strategy<Value = (String, Option<String>, Vec<String>)> {
        (nasty(), proptest::option::of(nasty()), proptest::collection::vec(nasty(), 0..3))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn different_arguments_never_share_a_key(a in arguments(), b in arguments()) {
            prop_assert_eq!(a == b, key_of(&a) == key_of(&b), "{:?} and {:?}", a, b);
        }

        #[test]
        fn a_value_stays_within_its_alphabet(value in arguments()) {
            let alphabet = |c: char| c.is_ascii_alphanumeric() || "-._~%!()[],".contains(c);
            prop_assert!(text_of(&value).chars().all(alphabet));
        }
    }
}

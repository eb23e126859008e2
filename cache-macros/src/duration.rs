//! Durations as literals: whole or broken seconds, or a text such as `"1h30m"`.

use std::time::Duration;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{Expr, Lit};

/// The longest duration that a literal may say. Whoever means more has most likely forgotten a unit, and every entry
/// must expire.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The units of a text, longest first where one is the beginning of another.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 60 * 60 * 1000), ("d", 24 * 60 * 60 * 1000)];

/// A duration in an argument.
pub(crate) enum Period {
    /// A literal.
    Millis(u64, Span),
    /// Anything else: an expression of type `Duration`, which rustc checks.
    Expr(Box<Expr>),
}

impl Period {
    /// Reads the value of the argument `name`.
    pub(crate) fn new(name: &str, value: Expr) -> syn::Result<Self> {
        let read = match literal(&value) {
            None if matches!(value, Expr::Closure(_)) => return Err(no_duration(name, &value)),
            None => return negative(name, &value).map_or(Ok(Self::Expr(Box::new(value))), Err),
            Some(Lit::Int(seconds)) if !seconds.suffix().is_empty() => return Err(unquoted(name, &value)),
            Some(Lit::Float(seconds)) if !seconds.suffix().is_empty() => return Err(unquoted(name, &value)),
            Some(Lit::Int(seconds)) => seconds.base10_parse().map(Duration::from_secs).map_err(|_| too_long()),
            Some(Lit::Float(seconds)) => seconds.base10_parse().map_err(|_| too_long()).and_then(from_seconds),
            Some(Lit::Str(text)) => from_text(&text.value()),
            Some(_) => return Err(no_duration(name, &value)),
        };
        let span = literal(&value).map_or_else(Span::call_site, Lit::span);
        match read.and_then(in_bounds) {
            Ok(millis) => Ok(Self::Millis(millis, span)),
            Err(what) => Err(syn::Error::new(span, format!("{what}: {}", usage(name)))),
        }
    }
}

/// The literal that an expression is, also behind the brackets and invisible groups of a macro.
pub(crate) fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(literal) => Some(&literal.lit),
        Expr::Group(group) => literal(&group.expr),
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}

fn no_duration(name: &str, value: &Expr) -> syn::Error {
    let message = format!("a duration is a number of seconds, a text or a `Duration`: {}", usage(name));
    syn::Error::new_spanned(value, message)
}

fn negative(name: &str, value: &Expr) -> Option<syn::Error> {
    let Expr::Unary(unary) = value else { return None };
    literal(&unary.expr)?;
    let message = format!("a duration is positive: {}", usage(name));
    Some(syn::Error::new_spanned(value, message))
}

fn unquoted(name: &str, value: &Expr) -> syn::Error {
    let text = value.to_token_stream();
    syn::Error::new_spanned(value, format!("a duration with a unit stands in quotes: write `{name} = \"{text}\"`"))
}

/// How the argument is written, with values that suit it.
fn usage(name: &str) -> String {
    let (seconds, text) = match name {
        "ttl" => ("600", "10m"),
        "stale_while_revalidate" => ("60", "1m"),
        "stale_if_error" => ("3600", "1h"),
        "none_ttl" => ("30", "30s"),
        "err_ttl" => ("1", "1s"),
        "timeout" => ("2", "2s"),
        _ => ("5", "5s"),
    };
    format!("write `{name} = {seconds}` for seconds, or `{name} = \"{text}\"`")
}

fn too_long() -> String {
    "a duration is at most 365 days".to_owned()
}

fn from_seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| too_long())
}

fn in_bounds(duration: Duration) -> Result<u64, String> {
    if duration > LONGEST {
        return Err(too_long());
    }
    match u64::try_from(duration.as_millis()) {
        Ok(0) if duration.is_zero() => Err("a duration is longer than zero".to_owned()),
        Ok(0) => Err("a duration is at least a millisecond".to_owned()),
        Ok(millis) => Ok(millis),
        Err(_) => Err(too_long()),
    }
}

/// Reads a text of numbers with units: `250ms`, `2s`, `10m`, `1h30m`, `1d`.
fn from_text(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        if digits.is_empty() {
            return Err(format!("`{rest}` does not begin with a whole number"));
        }
        let number: u64 = digits.parse().map_err(|_| too_long())?;
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_unit(digits, unit));
        };
        let part = number.checked_mul(*millis).map(Duration::from_millis).ok_or_else(too_long)?;
        sum = sum.checked_add(part).ok_or_else(too_long)?;
        rest = after;
    }
    match text {
        "" => Err("an empty text is no duration".to_owned()),
        _ => Ok(sum),
    }
}

fn unknown_unit(digits: &str, unit: &str) -> String {
    let what = match unit {
        "" => format!("`{digits}` has no unit"),
        "." => return format!("a number before a unit is whole, as in `1h30m`, not `{digits}.`"),
        _ => format!("`{}` is no unit of time", unit.trim()),
    };
    format!("{what}; the units are `ms`, `s`, `m`, `h`, `d`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Result<u64, String> {
        from_text(text).and_then(in_bounds)
    }

    #[test]
    fn texts_are_sums_of_numbers_with_units() {
        for (text, expected) in [
            ("250ms", 250),
            ("2s", 2000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("1s1ms", 1001),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "an empty text is no duration"),
            ("0s", "a duration is longer than zero"),
            ("0h0m", "a duration is longer than zero"),
            ("10", "`10` has no unit; the units are `ms`, `s`, `m`, `h`, `d`"),
            ("10x", "`x` is no unit of time; the units are `ms`, `s`, `m`, `h`, `d`"),
            ("1h30", "`30` has no unit; the units are `ms`, `s`, `m`, `h`, `d`"),
            ("m", "`m` does not begin with a whole number"),
            ("-1s", "`-1s` does not begin with a whole number"),
            ("1.5h", "a number before a unit is whole, as in `1h30m`, not `1.`"),
            ("1 h", "`h` is no unit of time; the units are `ms`, `s`, `m`, `h`, `d`"),
            ("366d", "a duration is at most 365 days"),
            ("99999999999999999999s", "a duration is at most 365 days"),
            ("18446744073709551615d", "a duration is at most 365 days"),
        ] {
            assert_eq!(millis(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_are_seconds_and_expressions_are_left_to_rustc() {
        let read = |value: &str| match syn::parse_str(value).and_then(|value| Period::new("ttl", value)) {
            Ok(Period::Millis(millis, _)) => millis.to_string(),
            Ok(Period::Expr(_)) => "expression".to_owned(),
            Err(error) => error.to_string().split(':').next().unwrap_or_default().to_owned(),
        };
        for (value, expected) in [
            ("600", "600000"),
            ("1_000", "1000000"),
            ("0.25", "250"),
            ("(5)", "5000"),
            ("\"2s\"", "2000"),
            ("TTL", "expression"),
            ("Duration::from_secs(5)", "expression"),
            ("0", "a duration is longer than zero"),
            ("0.0", "a duration is longer than zero"),
            ("0.0001", "a duration is at least a millisecond"),
            ("1e300", "a duration is at most 365 days"),
            ("99999999999999999999", "a duration is at most 365 days"),
            ("-5", "a duration is positive"),
            ("10m", "a duration with a unit stands in quotes"),
            ("1.5h", "a duration with a unit stands in quotes"),
            ("true", "a duration is a number of seconds, a text or a `Duration`"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }
}

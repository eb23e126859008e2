//! The mistakes in a configuration: all of them at once, each with what was found, what is allowed and what to write.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// The mistakes that were found.
#[derive(Default)]
pub(super) struct Mistakes(Vec<String>);

impl Mistakes {
    pub(super) fn add(&mut self, mistake: impl Into<String>) {
        self.0.push(mistake.into());
    }

    /// A duration must be above zero and at most this long; `cure` is a value to write.
    pub(super) fn check_duration(&mut self, what: &str, found: Duration, (most, shown): (Duration, &str), cure: &str) {
        if found.is_zero() || found > most {
            self.add(format!("the {what} is {found:?}: it must be above zero and at most {shown}, as in `{cure}`"));
        }
    }

    /// A number must be in this range; `cure` is a value to write.
    pub(super) fn check_number(&mut self, what: &str, found: usize, allowed: &RangeInclusive<usize>, cure: &str) {
        if !allowed.contains(&found) {
            let (least, most) = (allowed.start(), allowed.end());
            self.add(format!("{what} is {found}: it must be from {least} to {most}, as in `{cure}`"));
        }
    }

    /// A prefix is one segment of a key: it ends at the first `:`, so that two prefixes never have a key in common.
    pub(super) fn check_prefix(&mut self, prefix: &str) {
        let Some(found) = prefix.chars().find(|c| is_odd(*c)) else { return };
        let better: Vec<_> = prefix.split(is_odd).filter(|part| !part.is_empty()).collect();
        let cure = match &better[..] {
            [] => "leave the prefix out".to_owned(),
            parts => format!("write `prefix({:?})`", parts.join("-")),
        };
        self.add(match found {
            ':' if better.len() < 2 => {
                format!("the prefix {prefix:?} contains the `:` that is put behind it anyway: leave it out, {cure}")
            }
            ':' => format!(
                "the prefix {prefix:?} contains a `:`, which ends a prefix, so that its keys could be those of another \
                 cache: {cure}"
            ),
            '~' => format!("the prefix {prefix:?} contains a `~`, which is reserved for tenants: {cure}"),
            odd => format!("the prefix {prefix:?} contains {odd:?}: use letters, digits, `-`, `_`, `.`; {cure}"),
        });
    }

    /// What was made of the configuration, unless there are mistakes: `made` may add the last ones.
    pub(super) fn reported<T>(mut self, made: Result<T, Vec<String>>) -> Result<T, Error> {
        match made {
            Ok(made) if self.0.is_empty() => return Ok(made),
            Ok(_) => {}
            Err(mistakes) => self.0.extend(mistakes),
        }
        if let [only] = &self.0[..] {
            return Err(Error::new(ErrorKind::Configuration, only));
        }
        let numbered = self.0.iter().enumerate().map(|(index, mistake)| format!("({}) {mistake}", index + 1));
        let numbered = numbered.collect::<Vec<_>>().join("; ");
        Err(Error::new(ErrorKind::Configuration, format!("{} mistakes in the configuration: {numbered}", self.0.len())))
    }
}

/// Whether no prefix has this character.
fn is_odd(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '{' | '}' | ':' | '~')
}

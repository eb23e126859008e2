//! The one error type: a kind to match on, what was being done, and the cause.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, coarse enough to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration of a [`Cache`](crate::Cache) makes no sense: reported by `build()` and `install()`.
    Configuration,
    /// No connection to the store: refused, reset, or not answered while connecting.
    Unavailable,
    /// The store failed so often that it was not asked: see [`Health`](crate::Health).
    BreakerOpen,
    /// The store is down, and a function under `shed = true` waited in vain for its turn to run without it.
    Shed,
    /// The store did not answer within the deadline. What was asked may still happen.
    Timeout,
    /// The store answered with an error: out of memory, read-only replica, wrong type at the key, no permission. Or the
    /// key holds a string that this library did not write, and the cache leaves such strings alone.
    Rejected,
    /// A value could not be encoded, or bytes could not be decoded.
    Codec,
    /// A value is longer than the cache's `max_entry_bytes`, or than what an in-process store keeps.
    TooLarge,
    /// Not a failure of the cache: the function failed, in the run of another caller that this one waited for. Only under
    /// `share_errors = true`. The text is that of the function's own error.
    Failed,
}

impl ErrorKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Unavailable => "unavailable",
            Self::BreakerOpen => "breaker open",
            Self::Shed => "shed",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Codec => "codec",
            Self::TooLarge => "too large",
            Self::Failed => "failed",
        }
    }
}

/// A failure of the cache, and of the cached function only where its kind is [`ErrorKind::Failed`].
///
/// Neither its text nor its source contains a value or a password: URLs are redacted, an answer of a server is described
/// by its type, and of an error reply only known words are kept. What your own [`Store`](crate::Store) or
/// [`Codec`](crate::Codec) says is passed on as it is, and the text of an [`ErrorKind::Failed`] is the function's own.
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Whether it says something of one key, and nothing of the server.
    of_key: bool,
}

impl Error {
    /// An error of this kind; `context` says what was being done, and is put on one line. Own
    /// [`Store`](crate::Store)s and [`Codec`](crate::Codec)s make theirs with it.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: in_one_line(context.into()), source: None, of_key: false }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The key holds a string that this library did not write.
    pub(crate) fn foreign() -> Self {
        Self::new(
            ErrorKind::Rejected,
            "the key holds a string that this library did not write, and it is left alone: use another key, or build \
             the cache with `overwrite_foreign(true)` if such strings may be replaced",
        )
        .of_key()
    }

    /// Adds what the user can do about it.
    pub(crate) fn curable(mut self, cure: &str) -> Self {
        self.context.push_str("; ");
        self.context.push_str(cure);
        self
    }

    /// Says that the store refused one key, as it does not refuse others.
    pub(crate) fn of_key(mut self) -> Self {
        self.of_key = true;
        self
    }

    /// Whether the store refused one key, as it does not refuse others.
    pub(crate) fn is_of_key(&self) -> bool {
        self.of_key
    }

    /// The kind, to match on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the store did not answer in time; what was asked of it may have happened or may still happen.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout
    }

    /// Whether there was no connection to the store, or the store was not asked.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::BreakerOpen)
    }
}

/// What a client says of an answer that it cannot read takes several lines, and a log or an alert shows one.
fn in_one_line(text: String) -> String {
    if !text.contains(['\n', '\r']) {
        return text;
    }
    let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind).field("context", &self.context);
        if self.of_key {
            debug.field("of_key", &true);
        }
        if let Some(source) = &self.source {
            debug.field("source", &format_args!("{source}"));
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_context_and_keeps_kind_and_cause() {
        let error = Error::new(ErrorKind::Timeout, "GET got no answer within 250ms").with_source("slow");
        assert_eq!(error.to_string(), "GET got no answer within 250ms");
        assert!(error.is_timeout() && !error.is_unavailable());
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("slow"));
        assert_eq!(Error::new(ErrorKind::Codec, "at 1\r\nnot\n13\n").to_string(), "at 1; not; 13");
    }
}

//! Writes operations down: one line each, in one write, when they have ended. What a killed process did stands.

use std::io::{self, Write};

use crate::{Kind, Operation, monotonic};

/// An operation that has begun.
#[derive(Debug, Clone, Copy)]
#[must_use = "an operation is written down when it has ended"]
pub struct Begun(u64);

impl Begun {
    /// It begins now.
    pub fn now() -> Self {
        Self(monotonic())
    }

    /// Writes the operation down: it ends now.
    pub fn ended(self, kind: Kind, key: &str, version: u64, note: &str) {
        let (start, end) = (self.0, monotonic());
        say(&Operation { kind, key: key.to_owned(), version, start, end, note: note.to_owned() }.to_string());
    }
}

/// One line, whole, at once: standard output is flushed at its end.
pub fn say(line: &str) {
    let line = format!("{line}\n");
    let mut out = io::stdout().lock();
    // Nobody listens any more: the driver is gone, and the input has ended too.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

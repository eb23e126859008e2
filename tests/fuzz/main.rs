//! Bytes that nobody would think of, made of those that are right: for entries, codecs and key templates.
//!
//! Each target runs for a second, or for as many as the environment variable `FUZZ_SECONDS` says:
//!
//! ```text
//! FUZZ_SECONDS=600 tests/run -E 'binary(fuzz)'
//! ```
//!
//! It takes the same turns in every run. Input that fails is printed as a Rust byte string.

mod codecs;
mod entries;
#[path = "../../cache-macros/src/key_template.rs"]
mod key_template;
mod mutate;
mod nested;
mod templates;

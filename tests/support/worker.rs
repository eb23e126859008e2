//! A second process for the tests that need one.

fn main() {}

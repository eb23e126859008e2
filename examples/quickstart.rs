//! A newcomer's first ten minutes.

fn main() {}

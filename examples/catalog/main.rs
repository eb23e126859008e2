//! A product catalog.

fn main() {}

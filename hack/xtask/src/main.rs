//! Repository tools.
fn main() {}

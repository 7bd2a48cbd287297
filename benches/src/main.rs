//! The `floundr-bench` binary.
fn main() {}

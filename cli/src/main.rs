//! The `floundr` binary.
fn main() {}

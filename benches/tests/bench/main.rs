//! Loads against a small registry of this test's own, which checks every request it gets.

#[cfg(test)] // says to clippy that helpers are test code as well
mod fake; // the registry
#[cfg(test)]
mod loads; // each load, and what it refuses to count
#[cfg(test)]
mod transports; // TLS and HTTP/2, what they refuse, and servers of files

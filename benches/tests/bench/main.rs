//! Loads against a small registry of this test's own, which checks every request it gets.

#[cfg(test)] // says to clippy that helpers are test code as well
mod accounts; // registries that demand a login
#[cfg(test)]
mod comparing; // a whole comparison
#[cfg(test)]
mod fake; // the registry
#[cfg(test)]
mod kinds; // the loads that mix requests, read parts, run another program or do nothing
#[cfg(test)]
mod loads; // each load, and what it refuses to count
#[cfg(test)]
mod transports; // TLS and HTTP/2, what they refuse, and servers of files

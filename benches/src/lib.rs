//! The measuring harness: loads any OCI registry over HTTP/1.1 or HTTP/2 and compares several in one run.
//!
//! Invariants:
//! 1. Content and digests are ready before the clock starts; checks of what came back run outside it.
//! 2. Every blob pushed by one run is unique, so no registry can skip the work by knowing it already.
//! 3. Every measurement, start and stop is bounded in time, and no server outlives the run.
//! 4. A failed request fails its measurement: a figure only ever counts work that succeeded.
//!
//! Elsewhere: arguments and printing (`main.rs`, `args.rs`). What is below HTTP belongs in [`transport`] and `socket.rs`, HTTP
//! itself in [`client`], but for `wrk` and the loads that write their requests themselves; who asks, in [`login`]. A
//! new kind of load is a file in [`load`], and a row in [`compare`], which also measures the machine's own limits
//! and draws the chart.

pub mod client;
pub mod compare;
pub mod content;
mod driver;
pub mod endpoint;
pub mod load;
pub mod login;
pub mod memory;
pub mod process;
pub mod reads;
pub mod registry;
mod socket;
pub mod stats;
pub mod table;
pub mod transport;
pub mod units;

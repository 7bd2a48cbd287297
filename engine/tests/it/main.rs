//! The engine as a program sees it that links it. One binary; each file is one subject.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unchecked_time_subtraction,
    clippy::too_many_lines,
    clippy::excessive_nesting,
    reason = "tests say what goes wrong by panicking; a test is one story"
)]

mod backup; // backups under load, restored elsewhere
mod blobs; // push, read, delete, mount; sizes around every boundary
mod collection; // space comes back on the disk
mod collector; // plan, pause, budget, progress
mod crash; // random operations, crashed at any change of the disk
mod destroy; // a store that nobody wants any more
mod details; // what people want to know of tags, manifests and uploads
mod immutable; // tags that name one manifest for good
mod kill; // a process killed in the middle of an upload
mod leases; // grace, leases, and deleting a blob in spite of them
mod model; // random operations against a reference model
mod policies; // what goes by itself, and what does not
mod questions; // why and usage
mod races; // pushes and deletions against a collector that takes all it may
mod undo; // restoring what was deleted, and the history of tags

mod support; // opening stores, moving clocks

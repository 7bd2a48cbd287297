#![doc = include_str!("../README.md")]
//!
//! # Guarantees
//! - **Verified.** A blob becomes visible only after its content was hashed and found to be what
//!   the caller said. Hashing happens once, while the bytes arrive.
//! - **Durable.** What a call acknowledged survives a power cut, unless [`Durability::Relaxed`] was
//!   chosen. Each function's documentation says what is durable when it returns.
//! - **All or nothing.** Every change is one transaction; a refused request changes nothing.
//! - **Resumable.** An upload continues after the process died, at the offset it reported, without
//!   reading a byte again.
//! - **Kept and given back.** Content stays as long as a manifest links it, plus a grace period;
//!   then its space comes back by itself, while everything goes on.
//! - **Private.** A blob is visible only through a repository that holds it.
//!
//! The caller parses manifests and says what they link ([`descriptor::Links`]); the engine stores
//! the links and never looks into content. It knows no HTTP, no JSON and no users.
//!
//! # Layout under [`Options::root`]
//! ```text
//! LOCK             one process at a time
//! RESERVE          space that is given up when the disk is full, so that deletions succeed
//! FAILED           what a failed sync left untrustworthy, for the next start; usually absent
//! metadata.redb    records: which repository holds what, where it lies, what links what
//! metadata.journal the last changes of them
//! blobs/           large blobs, one numbered file each
//! segments/        small blobs, many to a file
//! uploads/         one small file per unfinished upload
//! ```

pub mod backup;
pub mod blob;
mod check;
pub mod clock;
pub mod descriptor;
mod destroy;
pub mod digest;
pub mod disk;
mod engine;
mod error;
pub mod fault;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gc;
mod layout;
mod meta;
pub mod name;
mod operations;
mod options;
pub mod page;
pub mod policy;
pub mod random;
pub mod repository;
#[cfg(test)]
#[expect(clippy::excessive_nesting, reason = "a test is one story")]
mod tests;
pub mod upload;

pub use check::{
    CheckOptions, CheckProgress, CheckReport, Done, Finding, MAX_FINDINGS, check_offline,
};
pub use destroy::destroy;
pub use engine::{DeletedRepository, Engine, OpenError, Statistics};
pub use error::Error;
pub use gc::{GcReport, PolicyReport};
pub use options::{CollectBudget, Collection, Durability, Options};
pub use repository::Repository;

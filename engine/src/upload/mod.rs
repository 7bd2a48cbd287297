//! Resumable uploads: [`UploadId`], [`UploadSession`], [`UploadStatus`].
//!
//! ```text
//! start --> open --append--> open --suspend--> at rest --resume--> open --finish--> blob
//!            |                |                   |
//!            +- drop: what was delivered is kept  +- expiry, cancel --> gone
//! ```
//! Invariants:
//! 1. At most one open [`UploadSession`] per upload writes: opening another fences the first, whose
//!    next call answers [`UploadError::Fenced`].
//! 2. The offset of an upload at rest survives the death of the process together with the bytes before it
//!    and the hash state of exactly those, or of a first part of them: the others, few, are read and hashed
//!    again. After a power cut it may be an earlier one, again with its own hash state; it is never a
//!    later one.
//! 3. An upload that has no bytes has no file and no record: its id alone proves it was started.
//! 4. After an error of the disk the upload is over; it is never retried into a success.
//!
//! Reading order: `uploads` (all of them), `session` (one, open), `writer`, `pending`, `queue` and `job` (its
//! bytes on the way to the disk), `unhashed` (those that are hashed behind that), `ending` (how it ends),
//! `standing` (how it is opened again), `record` and `store` (what is kept of it at rest), `expiry`,
//! `listing` (what an operator sees of it).

mod ending;
mod expiry;
#[cfg(feature = "test-util")]
pub(crate) mod fuzzing;
mod hashing;
mod id;
mod job;
mod listing;
mod pairs;
mod pending;
mod queue;
mod record;
mod records;
mod session;
mod slots;
mod standing;
mod store;
#[cfg(test)]
mod tests;
mod to_end;
mod unhashed;
mod uploads;
mod writer;

pub(crate) use expiry::Expired;
pub(crate) use id::UploadKey;
pub use id::{ParseUploadIdError, UploadId, UploadUuid};
pub use listing::UploadDetail;
pub use session::UploadSession;
pub(crate) use uploads::Uploads;

use crate::digest::{Algorithm, Digest};
use crate::fault::StorageError;

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadStatus {
    /// Bytes received: the offset at which the next chunk begins.
    pub offset: u64,
    /// The algorithm its content is hashed with as it arrives.
    pub algorithm: Algorithm,
}

/// Why an upload request was refused. Every variant but `Storage` is the caller's doing.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No open upload of this repository has this id: it never existed, was finished, cancelled or
    /// has expired, or it is another repository's.
    #[error("upload {uuid} is not open in this repository", uuid = .0.uuid())]
    Unknown(UploadId),
    /// The chunk does not start where the upload ends; the caller may resume from `expected`.
    #[error("chunk starts at byte {got}, the upload ends at byte {expected}")]
    OutOfOrder {
        /// Where the next chunk must begin.
        expected: u64,
        /// Where it began.
        got: u64,
    },
    /// Another request opened the same upload after this one; what this one had delivered until
    /// then is kept.
    #[error("upload {uuid} was taken over by a later request", uuid = .0.uuid())]
    Fenced(UploadId),
    /// The content is not what the caller said it was. The upload is over and nothing was stored.
    #[error("content is {actual}, not {claimed}")]
    DigestMismatch {
        /// What the caller said.
        claimed: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The machine failed (see [`StorageError`]). A full disk leaves the upload open at its last
    /// offset at rest; any other failure ends it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

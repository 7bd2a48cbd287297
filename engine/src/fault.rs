//! What the machine did wrong: [`StorageError`], and [`Corruption`] within it.
//!
//! Every other error of this crate is the caller's doing. A `StorageError` never means "absent":
//! what could not be read is not said to be missing.

use crate::digest::Digest;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A failure of the disk or of the metadata: nothing the caller asked wrongly.
///
/// Cloneable, because one failed commit answers every request of its batch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The file system refused an operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system answered.
        source: Arc<io::Error>,
    },
    /// There is no space left. Nothing was changed; the operation may be repeated when there is.
    #[error("no space left to {action} {}", path.display())]
    Full {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
    },
    /// The metadata could not be read or committed.
    #[error("metadata: {0}")]
    Metadata(String),
    /// A commit failed half-way: whether it is durable is not known until the next open. Repeating
    /// the request is always right, because requests are idempotent.
    #[error("the outcome of a commit is unknown: {0}")]
    OutcomeUnknown(String),
    /// Stored bytes are not what was stored.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The disk failed earlier in a way that must not be written past: nothing is written until the
    /// store is opened again. Reads may go on.
    #[error("nothing is written any more after a failure: {0}")]
    Stopped(String),
    /// The engine was closed.
    #[error("the store is closed")]
    Closed,
}

/// Stored bytes that are not what was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Corruption {
    /// A metadata record whose checksum or form is wrong.
    #[error("record in table {table} is damaged: {why}")]
    Record {
        /// The table's name.
        table: &'static str,
        /// What does not fit.
        why: &'static str,
    },
    /// A blob whose bytes do not match the checksums in its record.
    #[error("blob {0} is damaged")]
    Blob(Digest),
    /// A record that must exist beside another is missing.
    #[error("table {table} lacks the record that {needed_by} needs")]
    Missing {
        /// The table's name.
        table: &'static str,
        /// The record that refers to it.
        needed_by: &'static str,
    },
}

// === impl StorageError ===

impl StorageError {
    /// Wraps what the file system answered when it was asked to `action` `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { action, path }
            }
            _ => Self::Io {
                action,
                path,
                source: Arc::new(source),
            },
        }
    }

    /// Wraps what the file system answered when written bytes were to be made durable. Never
    /// [`StorageError::Full`]: after a failed sync the bytes may be gone whatever the reason, so it
    /// must not be tried again as if nothing had happened.
    pub(crate) fn not_synced(action: &'static str, path: &Path, source: io::Error) -> Self {
        let (path, source) = (path.to_owned(), Arc::new(source));
        Self::Io {
            action,
            path,
            source,
        }
    }

    /// Whether the cause is a full disk: the caller may answer "insufficient storage".
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

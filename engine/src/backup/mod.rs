//! Backups of a running store, and stores made of them.
//!
//! A backup is a directory with the files of a store under the same names, the rows of one moment
//! in a metadata file of their own, and a manifest that names that file:
//!
//! ```text
//! BACKUP                     that this is a backup, and of which store
//! MANIFEST                   which metadata file, its digest, when, how much
//! metadata-<n>.redb          the rows
//! blobs/, segments/          as in a store
//! LOCK                       held while a backup or a restore works on it
//! ```
//!
//! Why it is consistent, and stays so:
//! 1. The collector frees nothing from before the rows are copied until the last file is: every
//!    byte that a copied row names is there to be copied (`gc::hold`).
//! 2. A number is used once, and a place in a file is written once: what the directory has of
//!    another backup of the same store under the same number, place, size and check is the same
//!    bytes and is not copied again. Segments only grow; only the parts that rows name are copied.
//! 3. All content is hashed while it is copied. What the directory has is vouched for by the
//!    manifest of the backup before; what an interrupted backup left is read from the medium and
//!    hashed before it counts.
//! 4. The manifest is renamed into place when everything it stands for is durable; only then goes
//!    what the backup before needed and this one does not. So the last complete backup is whole at
//!    any moment, and an interrupted one never looks complete.
//!
//! `records` is the form of the two small files, `directory` a backup's directory, `content` copies
//! bytes (both ways), `create` and `restore` are the two operations.

mod content;
mod create;
mod directory;
#[cfg(feature = "test-util")]
pub(crate) mod fuzzing;
mod records;
mod restore;
#[cfg(test)]
#[expect(clippy::excessive_nesting, reason = "a test is one story")]
mod tests;

pub(crate) use content::remove_all;
pub(crate) use create::{Backups, Source, create};
pub(crate) use directory::{list, remove, sync_directory};
pub use restore::{RestoreError, RestoreOptions, RestoreReport, restore};

use crate::digest::Digest;
use crate::fault::StorageError;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupOptions {
    /// Give blob files a second name in the backup instead of copying them, which needs the same
    /// file system and costs no space. The two are one file then: a medium, or a program, that
    /// damages it damages both. Segments are always copied, because the store frees parts of them
    /// in place.
    pub hard_links: bool,
    /// Hash again what the directory already has, and copy again what is damaged.
    pub verify: bool,
}

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupReport {
    /// Blobs in the backup.
    pub blobs: u64,
    /// Manifests in it, counted once per repository.
    pub manifests: u64,
    /// Repositories in it.
    pub repositories: u64,
    /// Tags in it.
    pub tags: u64,
    /// Bytes of blobs that were copied.
    pub copied_bytes: u64,
    /// Bytes of blobs that got a second name.
    pub linked_bytes: u64,
    /// Bytes of blobs that the directory had already.
    pub kept_bytes: u64,
    /// Bytes of the metadata, which is copied whole.
    pub metadata_bytes: u64,
    /// Blobs whose content is damaged in the store: the backup has their records and not their
    /// content. Pushing them again heals the store, and the next backup has them.
    pub damaged: Vec<Digest>,
    /// Files of the backup before that went.
    pub removed_files: u64,
    /// When the rows were copied: everything acknowledged before is in it. By the wall clock, since
    /// the epoch.
    pub began: Duration,
}

/// Why a backup was not made. What the directory had before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One at a time.
    #[error("a backup is running already, into {}", .0.display())]
    Running(PathBuf),
    /// The directory holds something else; nothing was changed in it.
    #[error("{} holds other things than a backup", .0.display())]
    NotABackup(PathBuf),
    /// Numbers mean other files there.
    #[error("{} holds a backup of another store, or of a later state of this one", .0.display())]
    OtherStore(PathBuf),
    /// Another backup or a restore works on it, or it is a store.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A newer version made it.
    #[error("the backup in {} has format {found}; this version writes {supported}", directory.display())]
    NewerFormat {
        /// The directory.
        directory: PathBuf,
        /// The backup's format.
        found: u32,
        /// The newest this version knows.
        supported: u32,
    },
    /// Hard links were asked for, and they do not reach that far.
    #[error("{} is on another file system than the store, where hard links cannot lead", .0.display())]
    OtherFileSystem(PathBuf),
    /// The machine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How far a backup or a restore is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransferProgress {
    /// What it does now.
    pub phase: TransferPhase,
    /// The directory it works on, while it does.
    pub directory: PathBuf,
    /// Blobs that are done.
    pub blobs: u64,
    /// Blobs there are.
    pub all_blobs: u64,
    /// Bytes that were copied or linked.
    pub moved_bytes: u64,
    /// Bytes that were there.
    pub kept_bytes: u64,
}

/// What a backup or a restore does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransferPhase {
    /// Nothing.
    #[default]
    Idle,
    /// It copies the metadata.
    Metadata,
    /// It copies blobs.
    Content,
    /// It makes everything durable.
    Finishing,
}

/// Tells how far something is, and hears when it is not wanted any more.
#[derive(Debug)]
struct Reporter {
    progress: watch::Sender<TransferProgress>,
    is_cancelled: Arc<AtomicBool>,
}

/// Cancels what it belongs to when it is dropped.
#[derive(Debug)]
struct CancelOnDrop(Arc<AtomicBool>);

// === impl TransferPhase ===

impl TransferPhase {
    /// One word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Metadata => "metadata",
            Self::Content => "content",
            Self::Finishing => "finishing",
        }
    }
}

// === impl Reporter ===

impl Reporter {
    /// # Errors
    /// [`StorageError::Closed`] when nobody waits for the outcome any more.
    fn go_on(&self) -> Result<(), StorageError> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(StorageError::Closed);
        }
        Ok(())
    }

    fn enter(&self, phase: TransferPhase) {
        self.update(|progress| progress.phase = phase);
    }

    fn update(&self, change: impl FnOnce(&mut TransferProgress)) {
        self.progress.send_modify(change);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.progress.send_replace(TransferProgress::default());
    }
}

// === impl CancelOnDrop ===

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

//! The check: reads everything that is stored and says what is not as it was put, always online.
//!
//! A run has three parts: the *rows* of the metadata, each looked up, decoded and compared with those
//! it follows from; the *content* of every blob, hashed again; the *files* there are, each of which
//! must be somebody's. Invariants:
//! 1. What is found damaged is not served any more: a blob's record gets a durable mark, a damaged
//!    row is refused by its own checksum. The damaged file stays until a push replaces it.
//! 2. What could not be read (an I/O error) is reported and never marked: nobody can tell.
//! 3. Memory is bounded, whatever the store's size: rows and blobs come in batches, files by
//!    directory, findings up to [`MAX_FINDINGS`] in words and the rest as numbers.
//! 4. Only a run that repairs changes anything but marks, and it gives up nothing that a row which
//!    cannot be read may need. Where a row may be there and not be found, it repairs nothing.
//!
//! The background check runs the content part at a byte budget, and the rows and files once a pass,
//! without looking all rows up first; its position outlives the process.

mod background;
mod budget;
mod content;
mod files;
mod offline;
mod records;
mod report;
#[cfg(test)]
mod tests;

pub(crate) use background::Background;
pub use offline::check_offline;
pub use report::{CheckReport, Done, Finding, MAX_FINDINGS};

use crate::blob::LocalStore;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::meta::Metadata;
use crate::upload::Uploads;
use budget::Budget;
use std::sync::Arc;
use std::time::Duration;

/// How a check runs that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckOptions {
    /// Write anew what follows from other rows, remove rows and files that nothing needs.
    pub repair: bool,
    /// Bytes of content read in a second; 0: as fast as the disk gives them.
    pub bytes_per_second: u64,
}

/// How far the background check is, and what all checks found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckProgress {
    /// A pass is under way; it may be waiting for its budget, or paused.
    pub is_running: bool,
    /// Somebody stopped it for a while.
    pub is_paused: bool,
    /// Blobs read in this pass.
    pub done: u64,
    /// Blobs there are.
    pub total: u64,
    /// Bytes read in this pass.
    pub bytes: u64,
    /// Faults found in this pass.
    pub found: u64,
    /// Blobs that this pass found damaged, or known to be: they are not served and wait to be pushed
    /// again.
    pub quarantined: u64,
    /// Bytes of content read since the store was opened, by all checks.
    pub bytes_since_open: u64,
    /// Faults found since the store was opened, by all checks; one that is not repaired is found
    /// again by the next.
    pub found_since_open: u64,
    /// How long the rest takes if it goes on like since the process started it; `None`: unknown.
    pub remaining: Option<Duration>,
}

/// What every part of a check works on.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    pub(crate) meta: Arc<Metadata>,
    pub(crate) store: Arc<LocalStore>,
    pub(crate) uploads: Arc<Uploads>,
}

/// Blobs taken from the metadata at once.
const BATCH: usize = 256;

// === impl Checker ===

impl Checker {
    /// Checks everything once. `report` has what was seen also when the check stopped early.
    pub(crate) async fn run(
        &self,
        options: CheckOptions,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        let mut budget = Budget::fixed(options.bytes_per_second);
        let are_in_order = self.order(options.repair, report).await?;
        let repair = options.repair && are_in_order;
        self.rows(repair, &mut budget, report).await?;
        let mut after = None;
        loop {
            let last = self.content((after, BATCH), &mut budget, report);
            match last.await? {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        self.files(repair, &mut budget, report).await
    }

    /// Asks the metadata on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Metadata) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let meta = Arc::clone(&self.meta);
        blocking(move || question(&meta)).await
    }
}

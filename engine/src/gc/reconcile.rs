//! The search for files without a record, after the store was opened.
//!
//! Numbers are handed out from ranges that are on record before the first is used. What was handed
//! out before the last stop and lies in a file of neither a blob nor an upload is nobody's. Only the
//! ranges of earlier processes are compared, so nothing that is being written now is looked at.
//!
//! Invariants:
//! 1. A range is forgotten only when every file in it that was nobody's is gone, durably.
//! 2. The numbers of uploads that are not over stay on record: their file may be left behind later.
//! 3. A range that could not be compared is compared at another turn.

use super::Collector;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::layout::{FileKind, directory_of};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The ranges of file numbers that are still to be compared.
#[derive(Debug)]
pub(super) struct Inherited {
    ranges: Mutex<Vec<(u64, u64)>>,
    /// Files that were removed, maybe not durably: another try does not see them any more.
    removed: Mutex<Vec<(FileKind, u64)>>,
}

// === impl Inherited ===

impl Inherited {
    pub(super) fn new(ranges: &[(u64, u64)]) -> Self {
        Self {
            ranges: Mutex::new(ranges.to_vec()),
            removed: Mutex::default(),
        }
    }

    fn is_removing(&self, kind: FileKind, number: u64) {
        self.removed.lock().push((kind, number));
    }
}

// === impl Collector ===

impl Collector {
    /// Compares the ranges that are left; does nothing when none is. The caller is the one that runs.
    pub(super) async fn reconcile(&self) -> Result<(), StorageError> {
        let ranges = self.inherited.ranges.lock().clone();
        if ranges.is_empty() {
            return Ok(());
        }
        let kept = self.reconcile_blobs(&ranges).await?;
        let empty_segments = self.reconcile_segments(&ranges).await?;
        let removed = self.inherited.removed.lock().clone();
        self.sync_removals(removed).await?;
        let starts = ranges.iter().map(|&(start, _)| start).collect();
        (self.meta)
            .forget_files(starts, kept, empty_segments)
            .await?;
        self.inherited.ranges.lock().clear();
        self.inherited.removed.lock().clear();
        Ok(())
    }

    /// Removes the files that are nobody's; answers the numbers of those that are uploads'.
    ///
    /// The order matters: files are listed first, then uploads are asked, then records: a file
    /// that becomes a blob meanwhile is still found to be somebody's.
    async fn reconcile_blobs(&self, ranges: &[(u64, u64)]) -> Result<Vec<u64>, StorageError> {
        let files = self.list(FileKind::Blob, ranges).await?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let live = self.uploads.live_files().await?;
        let mut kept = Vec::new();
        for number in files {
            if live.contains(&number) {
                kept.push(number);
            } else if self.meta.file_holder(number)?.is_none() {
                tracing::info!(number, "removing a file that no record names");
                self.inherited.is_removing(FileKind::Blob, number);
                let store = Arc::clone(&self.store);
                blocking(move || store.remove_file(number)).await?;
                self.desk.count_orphan();
            }
        }
        Ok(kept)
    }

    async fn reconcile_segments(&self, ranges: &[(u64, u64)]) -> Result<Vec<u64>, StorageError> {
        let mut empty = Vec::new();
        for number in self.list(FileKind::Segment, ranges).await? {
            if self.remove_empty_segment(number).await? {
                tracing::info!(number, "removed a segment in which nothing lies");
                self.inherited.is_removing(FileKind::Segment, number);
                empty.push(number);
            }
        }
        Ok(empty)
    }

    /// Makes it durable that files are gone.
    pub(super) async fn sync_removals(
        &self,
        removed: Vec<(FileKind, u64)>,
    ) -> Result<(), StorageError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.sync_removals(removed)).await
    }

    /// The files of one kind whose numbers are in `ranges`. Lists each directory once.
    async fn list(&self, kind: FileKind, ranges: &[(u64, u64)]) -> Result<Vec<u64>, StorageError> {
        let (store, ranges) = (Arc::clone(&self.store), ranges.to_vec());
        blocking(move || {
            let directories: BTreeSet<u64> = ranges
                .iter()
                .flat_map(|&(start, end)| directory_of(start)..=directory_of(end.max(1) - 1))
                .collect();
            let mut files = Vec::new();
            for directory in directories {
                files.extend(store.list_files(kind, directory)?);
            }
            files.retain(|number| {
                // They are in order: they are rows of one table.
                let next = ranges.partition_point(|(start, _)| start <= number);
                next > 0 && *number < ranges[next - 1].1
            });
            Ok(files)
        })
        .await
    }
}

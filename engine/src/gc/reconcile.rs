//! The search for files without a record, after the store was opened.
//!
//! Numbers are handed out from ranges that are on record before the first is used. What was handed
//! out before the last stop and lies in a file of neither a blob nor an upload is nobody's. Only the
//! ranges of earlier processes are compared, so nothing that is being written now is looked at.
//!
//! Invariants:
//! 1. A range is forgotten only when every file in it that was nobody's is gone, durably: those of
//!    uploads that were over before the search began, too.
//! 2. The numbers of uploads that are not over stay on record: their file may be left behind later.
//! 3. A range that could not be compared, as a whole, is compared at another turn.
//! 4. A file is looked up in the records and removed under one right to free bytes: one that lost
//!    its record just now may be one that is being copied.

use super::Collector;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::layout::{FileKind, directory_of};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// Everything was looked at.
    Done,
    /// No bytes may be freed now.
    Held,
}

/// The ranges of file numbers that are still to be compared.
#[derive(Debug)]
pub(super) struct Inherited {
    ranges: Mutex<Vec<(u64, u64)>>,
}

// === impl Inherited ===

impl Inherited {
    pub(super) fn new(ranges: &[(u64, u64)]) -> Self {
        Self {
            ranges: Mutex::new(ranges.to_vec()),
        }
    }
}

// === impl Collector ===

impl Collector {
    /// Compares the ranges that are left; does nothing when none is. The caller is the one that runs.
    pub(super) async fn reconcile(&self) -> Result<Search, StorageError> {
        let ranges = self.inherited.ranges.lock().clone();
        if ranges.is_empty() {
            return Ok(Search::Done);
        }
        let Some(kept) = self.reconcile_blobs(&ranges).await? else {
            return Ok(Search::Held);
        };
        let Some(empty_segments) = self.reconcile_segments(&ranges).await? else {
            return Ok(Search::Held);
        };
        self.sync_directories(&ranges).await?;
        let starts = ranges.iter().map(|&(start, _)| start).collect();
        (self.meta)
            .forget_files(starts, kept, empty_segments)
            .await?;
        self.inherited.ranges.lock().clear();
        Ok(Search::Done)
    }

    /// Removes the files that are nobody's; answers the numbers of those that are uploads', `None`
    /// when no bytes may be freed.
    ///
    /// The order matters: files are listed first, then uploads are asked, then records: a file
    /// that becomes a blob meanwhile is still found to be somebody's.
    async fn reconcile_blobs(
        &self,
        ranges: &[(u64, u64)],
    ) -> Result<Option<Vec<u64>>, StorageError> {
        let files = self.list(FileKind::Blob, ranges).await?;
        if files.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let live = self.uploads.live_files().await?;
        let (kept, others): (Vec<_>, Vec<_>) =
            (files.into_iter()).partition(|number| live.contains(number));
        let mut nobodys = Vec::new();
        for number in others {
            if self.meta.file_holder(number)?.is_none() {
                nobodys.push(number);
            }
        }
        if !nobodys.is_empty() {
            // The record of one may have gone just now.
            self.meta.make_durable().await?;
        }
        for number in nobodys {
            let Some(_free) = self.holds.try_free() else {
                return Ok(None);
            };
            tracing::info!(number, "removing a file that no record names");
            let store = Arc::clone(&self.store);
            blocking(move || store.remove_file(number)).await?;
            self.desk.count_orphan();
        }
        Ok(Some(kept))
    }

    async fn reconcile_segments(
        &self,
        ranges: &[(u64, u64)],
    ) -> Result<Option<Vec<u64>>, StorageError> {
        let mut empty = Vec::new();
        for number in self.list(FileKind::Segment, ranges).await? {
            let Some(_free) = self.holds.try_free() else {
                return Ok(None);
            };
            if self.remove_empty_segment(number).await? {
                tracing::info!(number, "removed a segment in which nothing lies");
                empty.push(number);
            }
        }
        Ok(Some(empty))
    }

    /// Makes it durable that files of `ranges` are gone, whoever removed them: an upload that ends
    /// leaves that to the search, and its file is not listed any more.
    async fn sync_directories(&self, ranges: &[(u64, u64)]) -> Result<(), StorageError> {
        let (store, directories) = (Arc::clone(&self.store), directories_of(ranges));
        blocking(move || {
            let of_kind = |kind| directories.iter().map(move |&directory| (kind, directory));
            let segments = of_kind(FileKind::Segment);
            store.sync_directories(of_kind(FileKind::Blob).chain(segments))
        })
        .await
    }

    /// Makes it durable that files are gone.
    pub(super) async fn sync_removals(
        &self,
        removed: Vec<(FileKind, u64)>,
    ) -> Result<(), StorageError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.sync_removals(removed)).await
    }

    /// Makes it durable that parts of segments are given back.
    pub(super) async fn sync_holes(&self, segments: BTreeSet<u64>) -> Result<(), StorageError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.sync_holes(segments)).await
    }

    /// The files of one kind whose numbers are in `ranges`. Lists each directory once.
    async fn list(&self, kind: FileKind, ranges: &[(u64, u64)]) -> Result<Vec<u64>, StorageError> {
        let (store, ranges) = (Arc::clone(&self.store), ranges.to_vec());
        blocking(move || {
            let mut files = Vec::new();
            for directory in directories_of(&ranges) {
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

/// The directories in which the files of `ranges` lie.
fn directories_of(ranges: &[(u64, u64)]) -> BTreeSet<u64> {
    let of_range = |&(start, end): &(u64, u64)| directory_of(start)..=directory_of(end.max(1) - 1);
    ranges.iter().flat_map(of_range).collect()
}

//! The search for files without a record, after the store was opened.
//!
//! Numbers are handed out from ranges that are on record before the first is used. What was handed
//! out before the last stop and lies in a file of neither a blob nor an upload is nobody's. Only the
//! ranges of earlier processes are compared, so nothing that is being written now is looked at.

use super::Collector;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::layout::{FileKind, directory_of};
use std::sync::Arc;

// === impl Collector ===

impl Collector {
    pub(super) async fn reconcile(&self) -> Result<(), StorageError> {
        let _one = self.running.lock().await;
        for &(start, end) in self.meta.inherited_file_ranges() {
            self.reconcile_blobs(start, end).await?;
            let empty_segments = self.reconcile_segments(start, end).await?;
            self.meta.forget_files(vec![start], empty_segments).await?;
        }
        Ok(())
    }

    /// The order matters: files are listed first, then uploads are asked, then records: a file
    /// that becomes a blob meanwhile is still found to be somebody's.
    async fn reconcile_blobs(&self, start: u64, end: u64) -> Result<(), StorageError> {
        let files = self.list(FileKind::Blob, start, end).await?;
        if files.is_empty() {
            return Ok(());
        }
        let live = self.uploads.live_files().await?;
        for number in files {
            if live.contains(&number) || self.meta.file_holder(number)?.is_some() {
                continue;
            }
            tracing::info!(number, "removing a file that no record names");
            let store = Arc::clone(&self.store);
            blocking(move || store.remove_file(number)).await?;
        }
        Ok(())
    }

    async fn reconcile_segments(&self, start: u64, end: u64) -> Result<Vec<u64>, StorageError> {
        let mut empty = Vec::new();
        for number in self.list(FileKind::Segment, start, end).await? {
            if self.remove_empty_segment(number).await? {
                tracing::info!(number, "removing a segment in which nothing lies");
                empty.push(number);
            }
        }
        Ok(empty)
    }

    async fn list(&self, kind: FileKind, start: u64, end: u64) -> Result<Vec<u64>, StorageError> {
        let store = Arc::clone(&self.store);
        blocking(move || {
            let mut files = Vec::new();
            for directory in directory_of(start)..=directory_of(end.saturating_sub(1)) {
                files.extend(store.list_files(kind, directory)?);
            }
            files.retain(|number| (start..end).contains(number));
            Ok(files)
        })
        .await
    }
}

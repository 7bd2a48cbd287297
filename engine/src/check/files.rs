//! The files: each under `blobs/` and `segments/` must be somebody's. That every record has its
//! file shows when its content is read.

use super::Checker;
use super::budget::Budget;
use super::report::{CheckReport, Done, Finding};
use crate::blob::LocalStore;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::layout::FileKind;
use std::sync::Arc;

/// What looking for a file's record is taken to cost.
const BYTES_PER_FILE: u64 = 256;

// === impl Checker ===

impl Checker {
    /// Compares directory by directory. A file is nobody's only if it was listed *before* the
    /// uploads were asked for theirs, and those *before* the records; and it is removed only if its
    /// number is in no range that may still be in use without a record.
    pub(super) async fn files(
        &self,
        repair: bool,
        budget: &mut Budget,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        for kind in [FileKind::Blob, FileKind::Segment] {
            let directories = self.list(move |store| store.list_directories(kind)).await?;
            for directory in directories {
                let listed = self.list(move |store| store.list_files(kind, directory));
                let listed = listed.await?;
                report.files += listed.len() as u64;
                budget.spend(BYTES_PER_FILE * listed.len() as u64).await;
                let nobodys = self.nobodys(listed).await?;
                self.dispose_all(repair, (kind, nobodys), report).await?;
            }
        }
        Ok(())
    }

    async fn nobodys(&self, files: Vec<u64>) -> Result<Vec<u64>, StorageError> {
        let mut suspects = self.ask(move |meta| meta.files_of_nobody(&files)).await?;
        if suspects.is_empty() {
            return Ok(suspects);
        }
        let live = self.uploads.live_files().await?;
        suspects.retain(|number| !live.contains(number));
        // Records are asked last: what became a blob meanwhile has one.
        self.ask(move |meta| meta.files_of_nobody(&suspects)).await
    }

    async fn dispose_all(
        &self,
        repair: bool,
        (kind, numbers): (FileKind, Vec<u64>),
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        for number in numbers {
            let done = self.dispose(repair, kind, number).await?;
            report.add(nobodys(kind, number, done));
        }
        Ok(())
    }

    async fn dispose(
        &self,
        repair: bool,
        kind: FileKind,
        number: u64,
    ) -> Result<Done, StorageError> {
        if !repair {
            return Ok(Done::Reported);
        }
        let store = Arc::clone(&self.store);
        let is_removed = blocking(move || {
            let is_removed = match kind {
                FileKind::Blob => store.remove_file(number).map(|()| true),
                FileKind::Segment => store.remove_segment(number),
            }?;
            store.sync_removals([(kind, number)])?;
            Ok(is_removed)
        })
        .await?;
        if is_removed && kind == FileKind::Segment {
            self.meta
                .forget_files(Vec::new(), Vec::new(), vec![number])
                .await?;
        }
        Ok(if is_removed {
            Done::Removed
        } else {
            Done::Reported
        })
    }

    async fn list(
        &self,
        list: impl FnOnce(&LocalStore) -> Result<Vec<u64>, StorageError> + Send + 'static,
    ) -> Result<Vec<u64>, StorageError> {
        let store = Arc::clone(&self.store);
        blocking(move || list(&store)).await
    }
}

fn nobodys(kind: FileKind, number: u64, done: Done) -> Finding {
    let (place, what) = match kind {
        FileKind::Blob => ("blob file", "no record and no upload names it"),
        FileKind::Segment => ("segment", "no blob lies in it"),
    };
    Finding {
        digest: None,
        place: format!("{place} {number:x}"),
        what: what.to_owned(),
        done,
    }
}

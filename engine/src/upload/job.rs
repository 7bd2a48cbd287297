//! [`Job`]: one write of an upload, as it runs on a thread that may block.

use super::record::SessionRecord;
use super::store::Survives;
use super::uploads::Shared;
use crate::disk::DiskFile;
use crate::fault::StorageError;
use bytes::Bytes;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Bytes after which the system is asked to begin writing them to the medium, so that the sync at
/// the end finds little left to do.
const WRITEBACK: u64 = 8 * 1024 * 1024;
/// How far the writes are past such bytes before they are asked for: asking takes a millisecond, and chunks, most
/// of which are a multiple of a power of two, would end with it and have their clients wait.
const BEHIND: u64 = 1024 * 1024;

/// One write, and what is saved after it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) file: Arc<OnceLock<Arc<dyn DiskFile>>>,
    pub(super) number: u64,
    pub(super) pieces: Vec<Bytes>,
    /// Where the pieces begin.
    pub(super) offset: u64,
    /// The record that is true once they are written, if one shall be saved.
    pub(super) record: Option<SessionRecord>,
    /// Whether file and record are synced first.
    pub(super) is_synced: bool,
}

// === impl Job ===

impl Job {
    /// Writes; answers the record that was saved.
    pub(super) fn run(self) -> Result<Option<SessionRecord>, StorageError> {
        let path = self.shared.path(self.number);
        let file = self.open()?;
        let buffers: Vec<_> = self
            .pieces
            .iter()
            .map(|piece| IoSlice::new(piece))
            .collect();
        if !buffers.is_empty() {
            file.write_all_at(&buffers, self.offset)
                .map_err(|error| StorageError::io("write", &path, error))?;
        }
        if let Some(range) = due_for_writeback(self.written()) {
            file.start_writeback(range)
                .map_err(|error| StorageError::not_synced("start writing", &path, error))?;
        }
        if self.is_synced {
            file.sync()
                .map_err(|error| StorageError::not_synced("sync", &path, error))?;
            self.shared.store.publish(&[self.number])?;
        }
        self.save()
    }

    /// The file, made by the first write.
    fn open(&self) -> Result<Arc<dyn DiskFile>, StorageError> {
        if let Some(file) = self.file.get() {
            return Ok(Arc::clone(file));
        }
        let file = self.shared.store.create(self.number)?;
        Ok(Arc::clone(self.file.get_or_init(|| file)))
    }

    /// Where its bytes lie in the file.
    fn written(&self) -> Range<u64> {
        let len: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        self.offset..self.offset + len
    }

    fn save(self) -> Result<Option<SessionRecord>, StorageError> {
        let Some(mut record) = self.record else {
            return Ok(None);
        };
        let mut survives = Survives::Death;
        if self.is_synced {
            record.synced = record.written.clone();
            survives = Survives::PowerCut;
        }
        self.shared.sessions.save(&record, survives)?;
        Ok(Some(record))
    }
}

/// What is to be written to the medium once these bytes of a file were written, all before them being so.
fn due_for_writeback(written: Range<u64>) -> Option<Range<u64>> {
    let whole = |end: u64| end.saturating_sub(BEHIND) / WRITEBACK;
    let (before, after) = (whole(written.start), whole(written.end));
    (before < after).then(|| before * WRITEBACK..after * WRITEBACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_asked_for_once_and_in_order_and_soon() {
        for write in [1000, 64 * 1024, 512 * 1024, 3 * BEHIND, 5 * WRITEBACK] {
            let mut asked = 0;
            for end in (1..20 * WRITEBACK / write).map(|count| count * write) {
                let range = due_for_writeback(end - write..end).unwrap_or(asked..asked);
                assert_eq!(range.start, asked, "after {end} by {write}");
                asked = range.end;
                assert!(asked + WRITEBACK + BEHIND > end, "after {end} by {write}");
                assert!(asked <= end, "after {end} by {write}");
            }
        }
    }

    #[test]
    fn nothing_is_asked_for_where_a_chunk_of_a_round_size_ends() {
        for chunk in (1..10).map(|count| count * WRITEBACK) {
            assert_eq!(due_for_writeback(chunk - 512 * 1024..chunk), None);
        }
    }
}

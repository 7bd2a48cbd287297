//! [`FileNumbers`]: the numbers that new files get.
//!
//! Invariants:
//! 1. A number is handed out once in the life of the store: numbers come from ranges whose
//!    reservation was committed durably before.
//! 2. A number for a segment is set aside, so that small blobs never wait for a reservation.

use super::keys;
use super::tables::Table;
use super::transaction::Transaction;
use crate::fault::StorageError;
use parking_lot::Mutex;
use std::ops::Range;

/// File numbers reserved at once. One commit in this many files; an unclean stop leaves as many
/// numbers to compare at most.
pub(super) const RESERVE: u64 = 4096;

/// A commit reserves more when fewer numbers than this are left.
const LOW: u64 = 1024;

/// The numbers that are left.
#[derive(Debug, Default)]
pub(super) struct FileNumbers {
    /// Reserved durably and not handed out.
    left: Mutex<Range<u64>>,
    /// The one that is set aside.
    segment: Mutex<Option<u64>>,
}

// === impl FileNumbers ===

impl FileNumbers {
    /// One for a file, if a reserved one is left.
    pub(super) fn next(&self) -> Option<u64> {
        self.left.lock().next()
    }

    /// One for a segment: the one set aside, or another.
    pub(super) fn next_segment(&self) -> Option<u64> {
        let aside = self.segment.lock().take();
        aside.or_else(|| self.next())
    }

    /// Whether a commit must reserve more soon.
    pub(super) fn are_low(&self) -> bool {
        self.count() < LOW / 2 || self.segment.lock().is_none()
    }

    fn count(&self) -> u64 {
        let left = self.left.lock();
        left.end.saturating_sub(left.start)
    }

    /// Reserves more if few are left, as part of a commit that will be durable. They are added when it
    /// is.
    pub(super) fn reserve(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Option<Range<u64>>, StorageError> {
        if self.count() >= LOW {
            return Ok(None);
        }
        let start = transaction.state.files;
        let range = start..start + RESERVE;
        transaction.put(Table::FileRanges, &keys::number(start), &range.end)?;
        transaction.state.files = range.end;
        Ok(Some(range))
    }

    /// After a commit: adds what it reserved, and sets one aside for a segment.
    pub(super) fn add(&self, reserved: Option<Range<u64>>) {
        if let Some(reserved) = reserved {
            let mut left = self.left.lock();
            *left = if left.is_empty() {
                reserved
            } else {
                left.start..reserved.end
            };
        }
        let mut segment = self.segment.lock();
        if segment.is_none() {
            *segment = self.next();
        }
    }
}

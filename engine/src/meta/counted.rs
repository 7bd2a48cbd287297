//! [`Counted`]: rows that count how many of them were read, for who has to stop after so many.

use super::rows::{Rows, Scan, VisitAny};
use super::tables::Table;
use crate::fault::StorageError;
use std::cell::Cell;

/// Rows, and how many looks at them there were: one for each that was looked up, found or not, and one
/// for each that a scan told of. What a scan passes over, rows of other tables in the same tree, is not counted.
pub(super) struct Counted<'r, R> {
    rows: &'r R,
    reads: Cell<u64>,
}

// === impl Counted ===

impl<'r, R: Rows> Counted<'r, R> {
    pub(super) fn new(rows: &'r R) -> Self {
        let reads = Cell::default();
        Self { rows, reads }
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads.get()
    }

    fn count(&self) {
        self.reads.set(self.reads.get() + 1);
    }
}

impl<R: Rows> Rows for Counted<'_, R> {
    fn payload(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.count();
        self.rows.payload(table, key)
    }

    fn scan_any(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut VisitAny<'_>,
    ) -> Result<(), StorageError> {
        let counting = &mut |key: &[u8], payload: Result<&[u8], _>| -> Result<Scan, StorageError> {
            self.count();
            visit(key, payload)
        };
        self.rows.scan_any(table, prefix, after, counting)
    }
}

//! The part of [`Transaction`] that says where bytes lie: its invariant 4.

use super::derive::is_there;
use super::keys;
use super::records::{BlobRecord, FileRecord, Place};
use super::requests::{BlockChecks, Location};
use super::rows::Rows;
use super::tables::Table;
use super::transaction::{Transaction, add, take};
use crate::digest::Digest;
use crate::fault::StorageError;

// === impl Transaction ===

impl Transaction<'_> {
    /// Says that a blob lies at `location` from now on; where it lay before is abandoned.
    pub(super) fn place_blob(
        &mut self,
        digest: &Digest,
        record: &BlobRecord,
        checks: Option<&BlockChecks>,
    ) -> Result<(), StorageError> {
        let key = digest.to_key();
        match self.undamaged::<BlobRecord>(Table::Blobs, &key)? {
            Some(old) => {
                take(&mut self.state.totals.stored, old.size);
                self.abandon(old.location, old.size)?;
            }
            // A record that is damaged does not say where; a check finds that place by its file.
            // Its size is counted already.
            None if is_there(self, Table::Blobs, &key)? => {
                take(&mut self.state.totals.stored, record.size);
            }
            None => {}
        }
        add(&mut self.state.totals.stored, record.size);
        self.put(Table::Blobs, &key, record)?;
        match checks {
            Some(checks) => self.put(Table::BlockChecks, &key, checks)?,
            None => self.remove(Table::BlockChecks, &key)?,
        }
        let (number, file) = match record.location {
            Location::File(number) => (number, FileRecord::Blob(*digest)),
            Location::Segment { number, .. } => (number, self.segment(number)?.changed(1)),
        };
        self.put(Table::Files, &keys::number(number), &file)
    }

    /// Gives a place up: its bytes go after the commit.
    pub(super) fn abandon(&mut self, location: Location, size: u64) -> Result<(), StorageError> {
        let mut place = Place {
            location,
            size,
            whole_segment: false,
        };
        match location {
            Location::File(number) => self.remove(Table::Files, &keys::number(number))?,
            Location::Segment { number, .. } => {
                let left = self.segment(number)?.changed(-1);
                place.whole_segment = left == FileRecord::Segment { live: 0 };
                self.put(Table::Files, &keys::number(number), &left)?;
            }
        }
        self.free(&place)
    }

    /// Lets the bytes at a place that no record names go after the commit.
    pub(super) fn free(&mut self, place: &Place) -> Result<(), StorageError> {
        add(&mut self.state.totals.waiting, place.size);
        self.enqueue(Table::Unlinks, place)
    }

    fn segment(&self, number: u64) -> Result<FileRecord, StorageError> {
        let record = self.record::<FileRecord>(Table::Files, &keys::number(number))?;
        Ok(record.unwrap_or(FileRecord::Segment { live: 0 }))
    }
}

impl FileRecord {
    /// A segment with more or fewer live blobs; a blob's file is what it is.
    fn changed(self, by: i64) -> Self {
        match self {
            Self::Segment { live } => Self::Segment {
                live: live.saturating_add_signed(by),
            },
            blob @ Self::Blob(_) => blob,
        }
    }
}

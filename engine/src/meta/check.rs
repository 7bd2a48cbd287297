//! What the check asks of the metadata: rows step by step, blobs in order, whose files are whose.

use super::audit::{self, AuditStep, Cursor};
use super::codec::Record as _;
use super::heal::Mended;
use super::records::{BlobRecord, FileRecord, Place};
use super::requests::{Location, StoredAt};
use super::row_fault::RowFault;
use super::rows::{Found, Rows, Scan, Snapshot};
use super::tables::Table;
use super::write_check::CheckRecord;
use super::{Metadata, keys, write_check};
use crate::digest::Digest;
use crate::fault::StorageError;
#[cfg(any(test, feature = "test-util"))]
use crate::layout::FileKind;
use std::collections::BTreeSet;

/// A stored blob as the check takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedBlob {
    pub(crate) digest: Digest,
    pub(crate) stored: StoredAt,
    /// Known to be damaged: it waits for a push.
    pub(crate) is_damaged: bool,
}

// === impl Metadata ===

impl Metadata {
    /// The next rows of a walk over all: at least one, and no further one once `limit` were read, those
    /// that they are compared with among them. Reads one snapshot. Blocks.
    pub(crate) fn audit_step(
        &self,
        cursor: &Cursor,
        limit: u64,
    ) -> Result<AuditStep, StorageError> {
        self.database.read(|rows| audit::step(rows, cursor, limit))
    }

    /// Compares how many blobs lie in each segment with the segments' rows, and the sums over the
    /// store with the kept ones, in one snapshot; `None` when the snapshot was wanted back before
    /// the end. Blocks for as long as a walk over all blobs and their links takes.
    pub(crate) fn audit_sums(&self) -> Result<Option<BTreeSet<RowFault>>, StorageError> {
        self.database
            .read(|rows| audit::sums(rows, &|| self.database.is_snapshot_wanted()))
    }

    /// Walks all rows; answers what does not fit, in words. Blocks.
    pub(crate) fn audit(&self) -> Result<Vec<String>, StorageError> {
        let mut faults = BTreeSet::new();
        let mut next = Some(Cursor::START);
        while let Some(cursor) = next {
            let mut step = self.audit_step(&cursor, STEP)?;
            faults.append(&mut step.faults);
            next = step.next;
        }
        let sums = loop {
            if let Some(sums) = self.audit_sums()? {
                break sums;
            }
        };
        faults.extend(sums);
        let in_words = |fault: &RowFault| format!("{}: {fault}", fault.place());
        Ok(faults.iter().map(in_words).collect())
    }

    /// Makes rows that were found wrong what they must be; answers what came of each, in order.
    pub(crate) async fn mend_rows(&self, faults: &[RowFault]) -> Result<Vec<Mended>, StorageError> {
        let rows = faults.iter().map(|fault| (fault.table, fault.key.clone()));
        self.ask(write_check::MendRows(rows.collect())).await
    }

    /// The next blobs in the order of their digests. Records that cannot be read are left out: the
    /// walk over the rows finds them.
    pub(crate) fn blobs_after(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<ListedBlob>, StorageError> {
        let after = after.map(|digest| digest.to_key());
        self.database
            .read(|rows| blobs_after(rows, after.as_deref(), limit))
    }

    /// A blob's record now, whoever holds it; `None`: it is gone, or cannot be read.
    pub(crate) fn listed_blob(&self, digest: &Digest) -> Result<Option<ListedBlob>, StorageError> {
        let key = digest.to_key();
        let found = self.database.read(|rows| rows.found(Table::Blobs, &key))?;
        Ok(match found {
            Found::Payload(payload) => listed(&key, &payload),
            Found::Absent | Found::Damaged(_) => None,
        })
    }

    /// How many blobs there are.
    pub(crate) fn blob_count(&self) -> Result<u64, StorageError> {
        Ok(self.database.read(Snapshot::counts)?.blobs)
    }

    /// Those of `files` that nobody needs: neither a blob nor a segment in which one lies, nor in
    /// the queue of places that are given back, nor of a range of numbers that may be in use
    /// without a record.
    pub(crate) fn files_of_nobody(&self, files: &[u64]) -> Result<Vec<u64>, StorageError> {
        self.database.read(|rows| {
            let mut nobodys = unnamed(rows, files)?;
            if !nobodys.is_empty() {
                spare_queued(rows, &mut nobodys)?;
                spare_reserved(rows, &mut nobodys)?;
            }
            Ok(nobodys.into_iter().collect())
        })
    }

    // --- the background check's position ---

    pub(crate) fn check_position(&self) -> Result<CheckRecord, StorageError> {
        let found = self
            .database
            .read(|rows| rows.undamaged(Table::Settings, write_check::POSITION))?;
        Ok(found.unwrap_or_default())
    }

    pub(crate) async fn keep_check_position(
        &self,
        position: CheckRecord,
    ) -> Result<(), StorageError> {
        self.ask(write_check::KeepPosition(position)).await
    }
}

/// Rows read in one step where nobody says how many.
const STEP: u64 = 4096;

fn listed(key: &[u8], payload: &[u8]) -> Option<ListedBlob> {
    let record = BlobRecord::from_payload(Table::Blobs, payload).ok()?;
    Some(ListedBlob {
        digest: keys::last_digest(Table::Blobs, key).ok()?,
        is_damaged: record.damaged,
        stored: StoredAt::from(record),
    })
}

fn blobs_after(
    rows: &impl Rows,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<ListedBlob>, StorageError> {
    let mut blobs = Vec::new();
    rows.scan_any(Table::Blobs, &[], after, &mut |key, payload| {
        if blobs.len() == limit {
            return Ok(Scan::Stop);
        }
        blobs.extend(payload.ok().and_then(|payload| listed(key, payload)));
        Ok(Scan::Next)
    })?;
    Ok(blobs)
}

/// Those of `files` that are no blob's and no segment in which one lies.
fn unnamed(rows: &impl Rows, files: &[u64]) -> Result<BTreeSet<u64>, StorageError> {
    let mut unnamed = BTreeSet::new();
    for &number in files {
        let is_unnamed = match rows.found(Table::Files, &keys::number(number))? {
            Found::Absent => true,
            Found::Damaged(_) => false,
            Found::Payload(payload) => {
                let record = FileRecord::from_payload(Table::Files, &payload)?;
                record == FileRecord::Segment { live: 0 }
            }
        };
        if is_unnamed {
            unnamed.insert(number);
        }
    }
    Ok(unnamed)
}

/// Takes out the files whose places wait to be given back: they are the collector's.
fn spare_queued(rows: &impl Rows, files: &mut BTreeSet<u64>) -> Result<(), StorageError> {
    rows.scan_any(Table::Unlinks, &[], None, &mut |_, payload| {
        let place = payload.map(|payload| Place::from_payload(Table::Unlinks, payload));
        if let Ok(Ok(Place { location, .. })) = place {
            let (Location::File(number) | Location::Segment { number, .. }) = location;
            files.remove(&number);
        }
        Ok(Scan::Next)
    })
}

/// Takes out the files whose numbers may be in use without a record.
fn spare_reserved(rows: &impl Rows, files: &mut BTreeSet<u64>) -> Result<(), StorageError> {
    rows.scan_any(Table::FileRanges, &[], None, &mut |key, payload| {
        let (start, _) = keys::split_number(Table::FileRanges, key)?;
        let end = payload.map(|payload| u64::from_payload(Table::FileRanges, payload));
        // The end of a range that is damaged is unknown: everything behind its start.
        let end = end.ok().and_then(Result::ok).unwrap_or(u64::MAX);
        files.retain(|number| !(start..end).contains(number));
        Ok(Scan::Next)
    })
}

/// The files in which blobs lie.
#[cfg(any(test, feature = "test-util"))]
pub(super) fn recorded_files(rows: &impl Rows) -> Result<Vec<(FileKind, u64)>, StorageError> {
    let mut files = Vec::new();
    rows.scan(Table::Files, &[], None, &mut |key, payload| {
        let (number, _) = keys::split_number(Table::Files, key)?;
        match FileRecord::from_payload(Table::Files, payload)? {
            FileRecord::Blob(_) => files.push((FileKind::Blob, number)),
            FileRecord::Segment { live: 0 } => {}
            FileRecord::Segment { .. } => files.push((FileKind::Segment, number)),
        }
        Ok(Scan::Next)
    })?;
    Ok(files)
}

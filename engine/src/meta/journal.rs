//! [`Journal`]: the rows of commits that are durable before redb has made them so.
//!
//! A durable commit of redb writes the state of all its pages and syncs twice, however little it
//! changes. So most commits stay in redb's memory, and their rows are appended here with one sync;
//! every so often one is made durable in redb's file, and the journal begins anew.
//!
//! ```text
//! file      blocks of 4096 bytes; each record begins at one and is there twice, one behind the other
//! record    magic, sequence before and after, where its first copy begins, length of the rows,
//!           checksum; rows; zeros
//! row       table, put or remove, length of the key, length of the value; key; sealed value
//! ```
//!
//! Invariants:
//! 1. A record takes the rows from one sequence number ([`StateRecord::sequence`]) to another. Reading
//!    goes from block to block: what ends at or before the sequence redb has is passed over, and so is
//!    what is no record. What begins there is applied. What begins later shows that something is
//!    missing, and nothing is opened.
//! 2. A record is written when the one before it is durable, and right behind it. So nothing behind a
//!    record that a power cut tore is wanted, and a record with a damaged copy, or one that cannot be
//!    read, is read from the other.
//! 3. The journal begins anew only after a commit that this process made durable in redb's file. After
//!    opening that file the first commit is such a one: what was read of it may not be durable.
//! 4. Checksums begin with a secret of the store, so that no content can pass for a record.
//!
//! [`StateRecord::sequence`]: super::records::StateRecord

use super::tables::Table;
use crate::disk::{Disk, DiskFile};
use crate::fault::StorageError;
use crate::layout::Layout;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Where records may begin. A write changes whole blocks, so that none can harm the one before it.
const BLOCK: usize = 4096;

/// The length it begins with; it is doubled when that is too short, up to its limit.
const FIRST_LEN: u64 = 64 * 1024;

/// A commit that brings the rows in it to so many is made durable in redb's file: that takes a page
/// or more for each row, and reading the journal some microseconds.
const MAX_ROWS: usize = 4096;

const MAGIC: [u8; 8] = *b"FLNDRJ\0\x01";
const HEAD: usize = 40;
const ROW_HEAD: usize = 10;

/// The journal of an open store.
#[derive(Debug)]
pub(super) struct Journal {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// The length of the file.
    len: u64,
    /// No record goes beyond this.
    limit: u64,
    /// Where the next record goes.
    at: u64,
    /// The sequence of the last durable commit. `None`: the next one must be of redb's file.
    durable: Option<u64>,
    /// What checksums begin with, once the store has its secret.
    seed: Option<u32>,
    /// The store says that it has a journal.
    is_declared: bool,
    /// Rows of commits after that one, which are not durable yet.
    pending: Changes,
    /// Rows in records since the journal began anew.
    rows: usize,
}

/// Rows that were put and removed, in order, as they lie in a record.
#[derive(Debug, Default)]
pub(super) struct Changes {
    bytes: Vec<u8>,
    rows: usize,
}

/// One row of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change<'r> {
    pub(super) table: Table,
    pub(super) key: &'r [u8],
    /// As it is stored; `None`: the row was removed.
    pub(super) sealed: Option<&'r [u8]>,
}

/// What begins a record.
#[derive(Debug, Clone, Copy)]
struct Head {
    before: u64,
    after: u64,
    /// Where the first copy begins.
    place: u64,
}

/// A record whose checksum matches.
#[derive(Debug)]
pub(super) struct Record {
    head: Head,
    /// For [`Change::parse`].
    pub(super) rows: Vec<u8>,
}

// === impl Journal ===

impl Journal {
    /// Opens the journal, or makes an empty one that survives a power cut; of at most `limit` bytes.
    /// Blocks.
    pub(super) fn open(disk: &dyn Disk, layout: &Layout, limit: u64) -> Result<Self, StorageError> {
        let path = layout.journal();
        let failed_to = |error| StorageError::io("open", &path, error);
        let file = match disk.open(&path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = disk.create_new(&path).map_err(failed_to)?;
                let named = disk.sync_directory(layout.root());
                named.map_err(|error| {
                    StorageError::not_synced("sync directory", layout.root(), error)
                })?;
                file
            }
            opened => opened.map_err(failed_to)?,
        };
        let len = file.len().map_err(failed_to)?;
        Ok(Self {
            file,
            path,
            len,
            limit,
            at: 0,
            durable: None,
            seed: None,
            is_declared: false,
            pending: Changes::default(),
            rows: 0,
        })
    }

    /// Tells the store's secret.
    pub(super) fn set_secret(&mut self, secret: &[u8]) {
        self.seed = Some(crc32c::crc32c(secret));
    }

    /// Commits may go here from the next one of redb's file on: the store says durably that it has a
    /// journal, so that it is not opened without it.
    pub(super) fn declare(&mut self, secret: &[u8]) {
        self.set_secret(secret);
        self.is_declared = true;
    }

    /// Forgets what is not durable: the next commit is made so in redb's file (invariant 3).
    pub(super) fn interrupt(&mut self) {
        self.durable = None;
        self.pending = Changes::default();
    }

    /// Begins anew, behind a commit that redb's file has durably. With `give_back` its space is free
    /// for others. Blocks.
    pub(super) fn restart(&mut self, sequence: u64, give_back: bool) {
        self.interrupt();
        self.durable = Some(sequence);
        self.at = 0;
        self.rows = 0;
        if give_back && self.len > 0 {
            match self.file.set_len(0) {
                Ok(()) => self.len = 0,
                Err(error) => tracing::warn!(%error, "the journal keeps its space"),
            }
        }
    }

    /// Remembers the rows of a commit that is not durable yet.
    pub(super) fn defer(&mut self, mut changes: Changes) {
        if self.rows + self.pending.rows + changes.rows > MAX_ROWS {
            // They will not go into a record; the next durable commit is one of redb's file.
            return self.interrupt();
        }
        if self.durable.is_some() {
            self.pending.append(&mut changes);
        }
    }

    /// Whether a commit with these rows can be made durable here.
    pub(super) fn has_room(&mut self, changes: &Changes) -> bool {
        if self.durable.is_none()
            || !self.is_declared
            || self.rows + self.pending.rows + changes.rows > MAX_ROWS
        {
            return false;
        }
        let end = self.at + 2 * record_len(self.pending.bytes.len() + changes.bytes.len());
        end <= self.limit && (end <= self.len || self.grow(end))
    }

    fn grow(&mut self, end: u64) -> bool {
        let len = end.next_power_of_two().max(FIRST_LEN).min(self.limit);
        match self.file.allocate(len) {
            Ok(()) => {
                self.len = len;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the journal cannot be made longer");
                // A try that failed may have taken a part of the space.
                if let Err(error) = self.file.set_len(self.len) {
                    tracing::warn!(%error, "the journal keeps space that it has no use for");
                }
                false
            }
        }
    }

    /// Makes a commit durable that has room, with all that were put off. When it fails, the commit may
    /// be durable or not.
    pub(super) fn append(
        &mut self,
        mut changes: Changes,
        sequence: u64,
    ) -> Result<(), StorageError> {
        let (Some(before), Some(seed)) = (self.durable, self.seed) else {
            let why = "a commit went to the journal out of turn";
            return Err(StorageError::OutcomeUnknown(why.to_owned()));
        };
        self.pending.append(&mut changes);
        let Changes { bytes, rows } = std::mem::take(&mut self.pending);
        let head = Head {
            before,
            after: sequence,
            place: self.at,
        };
        self.durable = None;
        self.write(seed, head, &bytes)?;
        self.sync()?;
        self.at += 2 * record_len(bytes.len());
        self.durable = Some(sequence);
        self.rows += rows;
        Ok(())
    }

    /// Writes both copies of a record.
    fn write(&self, seed: u32, head: Head, rows: &[u8]) -> Result<(), StorageError> {
        let zeros = [0; BLOCK];
        let len = HEAD + rows.len();
        let padding = &zeros[..len.next_multiple_of(BLOCK) - len];
        let place = head.place;
        let head = head.encode(seed, rows);
        let [head, rows, padding] = [&head, rows, padding].map(IoSlice::new);
        let copies = [head, rows, padding, head, rows, padding];
        let written = self.file.write_all_at(&copies, place);
        written.map_err(|error| StorageError::io("write", &self.path, error))
    }

    /// Whatever it answers, the bytes at hand are never synced again without being written again.
    fn sync(&self) -> Result<(), StorageError> {
        let synced = self.file.sync();
        synced.map_err(|error| StorageError::io("sync", &self.path, error))
    }

    /// Makes records durable that were found. Who wrote them may have died before, or failed.
    pub(super) fn renew(&self, records: &[Record]) -> Result<(), StorageError> {
        let Some(seed) = self.seed else {
            return Ok(());
        };
        for record in records {
            self.write(seed, record.head, &record.rows)?;
        }
        self.sync()
    }

    /// Reads what the medium has from now on: what the system has in memory may never have got there.
    pub(super) fn forget_cached(&self) -> Result<(), StorageError> {
        let dropped = self.file.drop_cached();
        dropped.map_err(|error| StorageError::io("read anew", &self.path, error))
    }

    /// The records that lead on from a sequence number, in order (invariant 1). Blocks.
    pub(super) fn beyond(&self, mut sequence: u64) -> Result<Vec<Record>, StorageError> {
        let mut found = Vec::new();
        let Some(seed) = self.seed else {
            return Ok(found);
        };
        let failed_to = |error| StorageError::io("read", &self.path, error);
        let end = self.file.len().map_err(failed_to)?;
        let mut at = 0;
        let mut unread = (0, None);
        while at + BLOCK as u64 <= end {
            let place = at..end;
            at += BLOCK as u64;
            let record = match self.record(seed, place, sequence) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) => {
                    unread = (unread.0 + 1, Some(error));
                    continue;
                }
            };
            if record.head.before != sequence {
                return Err(self.gap(sequence, record.head.before));
            }
            sequence = record.head.after;
            at = at.max(record.head.place + 2 * record_len(record.rows.len()));
            unread = (0, None);
            found.push(record);
        }
        match unread {
            // One place cannot hide both copies of the next record.
            (2.., Some(error)) => Err(failed_to(error)),
            _ => Ok(found),
        }
    }

    /// The record that begins a place, if one does that leads beyond a sequence number.
    fn record(&self, seed: u32, at: Range<u64>, sequence: u64) -> io::Result<Option<Record>> {
        let mut given = [0; HEAD];
        self.file.read_exact_at(&mut given, at.start)?;
        let Some((head, len)) = Head::parse(&given) else {
            return Ok(None);
        };
        let begin = at.start + HEAD as u64;
        let is_place = [head.place, head.place.saturating_add(record_len(len))].contains(&at.start);
        if head.after <= sequence || !is_place || at.end - begin < len as u64 {
            return Ok(None);
        }
        let rows = self.file.read_at(len, begin)?;
        let is_whole = head.encode(seed, &rows) == given;
        Ok(is_whole.then_some(Record { head, rows }))
    }

    /// The store's file and its journal do not belong together.
    fn gap(&self, sequence: u64, next: u64) -> StorageError {
        StorageError::Metadata(format!(
            "commits {sequence} to {next} are missing between {} and {}: one of them is damaged or \
             of another time",
            super::FILE_NAME,
            self.path.display(),
        ))
    }

    /// Whose failure it is when [`Self::append`] fails.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

// === impl Changes ===

impl Changes {
    pub(super) fn put(&mut self, table: Table, key: &[u8], sealed: &[u8]) {
        self.push(table, key, Some(sealed));
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        self.push(table, key, None);
    }

    fn push(&mut self, table: Table, key: &[u8], sealed: Option<&[u8]>) {
        let value = sealed.unwrap_or_default();
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.bytes.extend([table as u8, u8::from(sealed.is_some())]);
        self.bytes.extend(len(key));
        self.bytes.extend(len(value));
        self.bytes.extend(key);
        self.bytes.extend(value);
        self.rows += 1;
    }

    fn append(&mut self, other: &mut Self) {
        self.rows += std::mem::take(&mut other.rows);
        if self.bytes.is_empty() {
            std::mem::swap(&mut self.bytes, &mut other.bytes);
        } else {
            self.bytes.append(&mut other.bytes);
        }
    }
}

#[cfg(feature = "test-util")]
impl Changes {
    /// The rows as they lie in a record.
    pub(super) fn into_rows(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(feature = "test-util")]
impl<'r> FromIterator<Change<'r>> for Changes {
    fn from_iter<I: IntoIterator<Item = Change<'r>>>(rows: I) -> Self {
        let mut changes = Self::default();
        for row in rows {
            changes.push(row.table, row.key, row.sealed);
        }
        changes
    }
}

// === impl Change ===

impl<'r> Change<'r> {
    /// The rows of a record; `None` when they are none.
    pub(super) fn parse(mut rows: &'r [u8]) -> Option<Vec<Self>> {
        let mut changes = Vec::new();
        while !rows.is_empty() {
            changes.push(Self::take(&mut rows)?);
        }
        Some(changes)
    }

    fn take(rows: &mut &'r [u8]) -> Option<Self> {
        let (head, rest) = rows.split_first_chunk::<ROW_HEAD>()?;
        let &[table, kind, k0, k1, k2, k3, v0, v1, v2, v3] = head;
        let len = |bytes| usize::try_from(u32::from_le_bytes(bytes)).ok();
        let (key, rest) = rest.split_at_checked(len([k0, k1, k2, k3])?)?;
        let (value, rest) = rest.split_at_checked(len([v0, v1, v2, v3])?)?;
        let sealed = match (kind, value) {
            (0, []) => None,
            (1, sealed) => Some(sealed),
            _ => return None,
        };
        *rows = rest;
        let index = usize::from(table).checked_sub(1)?;
        let &table = Table::ALL.get(index)?;
        Some(Self { table, key, sealed })
    }
}

// === impl Head ===

impl Head {
    /// What may be the head of a record, and the length of its rows: only all of it with the rows
    /// tells.
    fn parse(given: &[u8; HEAD]) -> Option<(Self, usize)> {
        let number = |at: usize| Some(u64::from_le_bytes(*given.get(at..)?.first_chunk()?));
        let (before, after, place) = (number(8)?, number(16)?, number(24)?);
        let len = u32::from_le_bytes(*given.get(32..)?.first_chunk()?);
        let head = Self {
            before,
            after,
            place,
        };
        let is_head = given.starts_with(&MAGIC) && before < after;
        is_head.then_some((head, usize::try_from(len).ok()?))
    }

    /// As it lies before these rows.
    fn encode(self, seed: u32, rows: &[u8]) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let len = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        head[..8].copy_from_slice(&MAGIC);
        head[8..16].copy_from_slice(&self.before.to_le_bytes());
        head[16..24].copy_from_slice(&self.after.to_le_bytes());
        head[24..32].copy_from_slice(&self.place.to_le_bytes());
        head[32..36].copy_from_slice(&len.to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c_append(seed, &head[..36]), rows);
        head[36..].copy_from_slice(&check.to_le_bytes());
        head
    }
}

/// Bytes that one copy of a record of so many bytes of rows takes.
fn record_len(rows: usize) -> u64 {
    (HEAD + rows).next_multiple_of(BLOCK) as u64
}

//! [`Rows`]: reading typed rows, the same way from a [`Snapshot`] and from a write transaction.
//!
//! Every value is unsealed and decoded here, so no other code sees an unchecked byte.

use super::codec::Record;
use super::keys;
use super::recent::Recent;
use super::tables::Table;
use crate::fault::{Corruption, StorageError};
use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};
use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::OnceLock;

/// Whether a scan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    Next,
    Stop,
}

// === impl Scan ===

impl Scan {
    pub(super) fn while_true(condition: bool) -> Self {
        if condition { Self::Next } else { Self::Stop }
    }
}

/// What a scan calls for each row: key and payload.
pub(super) type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<Scan, StorageError> + 'v;

/// What a scan that goes on behind damaged rows calls for each row: key, and payload or damage. The
/// key of a damaged row is as little to be trusted as its payload.
pub(super) type VisitAny<'v> =
    dyn FnMut(&[u8], Result<&[u8], Corruption>) -> Result<Scan, StorageError> + 'v;

/// A row as it is found where damage is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Absent,
    Payload(Vec<u8>),
    /// Something is there that was never put there like this.
    Damaged(Corruption),
}

/// Rows that can be read.
pub(super) trait Rows {
    /// The payload under `key`.
    fn payload(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Calls `visit` for the rows whose key begins with `prefix` and lies behind `after`, in order,
    /// the damaged ones too.
    fn scan_any(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut VisitAny<'_>,
    ) -> Result<(), StorageError>;

    /// The same for readers who need every row: ends at the first damaged one, with that error.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        self.scan_any(table, prefix, after, &mut |key, payload| {
            visit(key, payload?)
        })
    }

    /// The row under `key`, damaged or not.
    fn found(&self, table: Table, key: &[u8]) -> Result<Found, StorageError> {
        match self.payload(table, key) {
            Ok(Some(payload)) => Ok(Found::Payload(payload)),
            Ok(None) => Ok(Found::Absent),
            Err(StorageError::Corrupt(corruption)) => Ok(Found::Damaged(corruption)),
            Err(error) => Err(error),
        }
    }

    /// The record under `key`, where one that is damaged is as good as none: it is about to be
    /// replaced, or what it says follows from other rows.
    fn undamaged<R: Record>(&self, table: Table, key: &[u8]) -> Result<Option<R>, StorageError> {
        match self.record(table, key) {
            Err(StorageError::Corrupt(corruption)) => {
                tracing::error!(%corruption, "a damaged row is read as none");
                Ok(None)
            }
            outcome => outcome,
        }
    }

    /// The record under `key`.
    fn record<R: Record>(&self, table: Table, key: &[u8]) -> Result<Option<R>, StorageError> {
        let payload = self.payload(table, key)?;
        Ok(payload
            .map(|payload| R::from_payload(table, &payload))
            .transpose()?)
    }

    /// The record under `key`, which must be there because `needed_by` refers to it.
    fn needed<R: Record>(
        &self,
        table: Table,
        key: &[u8],
        needed_by: &'static str,
    ) -> Result<R, StorageError> {
        let missing = Corruption::Missing {
            table: table.name(),
            needed_by,
        };
        self.record(table, key)?.ok_or_else(|| missing.into())
    }

    /// Whether any key begins with `prefix`.
    fn any(&self, table: Table, prefix: &[u8]) -> Result<bool, StorageError> {
        let mut found = false;
        self.scan(table, prefix, None, &mut |_, _| {
            found = true;
            Ok(Scan::Stop)
        })?;
        Ok(found)
    }

    /// Whether a row begins with `prefix`, damaged or not.
    fn any_row(&self, table: Table, prefix: &[u8]) -> Result<bool, StorageError> {
        let mut found = false;
        self.scan_any(table, prefix, None, &mut |_, _| {
            found = true;
            Ok(Scan::Stop)
        })?;
        Ok(found)
    }

    /// The first `limit` keys that begin with `prefix`.
    #[cfg(test)]
    fn keys(
        &self,
        table: Table,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StorageError> {
        let mut keys = Vec::new();
        if limit == 0 {
            return Ok(keys);
        }
        self.scan(table, prefix, None, &mut |key, _| {
            keys.push(key.to_vec());
            Ok(if keys.len() < limit {
                Scan::Next
            } else {
                Scan::Stop
            })
        })?;
        Ok(keys)
    }
}

/// One consistent view of the last commit. Tables are opened when they are first read.
pub(super) struct Snapshot {
    transaction: ReadTransaction,
    tables: [OnceLock<Bytewise>; Table::ALL.len()],
    /// What was read of it.
    pub(super) recent: Recent,
}

/// A table as it is stored: bytes to bytes.
pub(super) type Bytewise = ReadOnlyTable<&'static [u8], &'static [u8]>;

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn new(database: &impl ReadableDatabase) -> Result<Self, StorageError> {
        let transaction = database
            .begin_read()
            .map_err(|error| failed(&error.into()))?;
        Ok(Self {
            transaction,
            tables: [const { OnceLock::new() }; Table::ALL.len()],
            recent: Recent::default(),
        })
    }

    /// How many rows a table has.
    pub(super) fn len(&self, table: Table) -> Result<u64, StorageError> {
        use redb::ReadableTableMetadata;
        self.table(table)?
            .len()
            .map_err(|error| failed(&error.into()))
    }

    /// Whether a table was ever made: a new file has none.
    pub(super) fn exists(&self, table: Table) -> Result<bool, StorageError> {
        match self.transaction.open_table(table.definition()) {
            Ok(_) => Ok(true),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(failed(&error.into())),
        }
    }

    /// An open table, for reading rows as they are stored.
    pub(super) fn table(&self, table: Table) -> Result<&Bytewise, StorageError> {
        let cell = &self.tables[table.index()];
        if let Some(open) = cell.get() {
            return Ok(open);
        }
        let opened = self.transaction.open_table(table.definition());
        let opened = opened.map_err(|error| failed(&error.into()))?;
        Ok(cell.get_or_init(|| opened))
    }
}

impl Rows for Snapshot {
    fn payload(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        payload_of(self.table(table)?, table, key)
    }

    fn scan_any(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut VisitAny<'_>,
    ) -> Result<(), StorageError> {
        scan_of(self.table(table)?, table, (prefix, after), visit)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

/// Reads and unseals one value of an open table.
pub(super) fn payload_of(
    open: &impl ReadableTable<&'static [u8], &'static [u8]>,
    table: Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StorageError> {
    let value = open.get(key).map_err(|error| failed(&error.into()))?;
    let payload = value.map(|value| table.unseal(key, value.value()).map(<[u8]>::to_vec));
    Ok(payload.transpose()?)
}

/// See [`Rows::scan_any`].
pub(super) fn scan_of(
    open: &impl ReadableTable<&'static [u8], &'static [u8]>,
    table: Table,
    (prefix, after): (&[u8], Option<&[u8]>),
    visit: &mut VisitAny<'_>,
) -> Result<(), StorageError> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let end = keys::behind(prefix);
    let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    if matches!((from, to), (Bound::Excluded(from), Bound::Excluded(to)) if from >= to) {
        return Ok(());
    }
    let rows = open
        .range::<&[u8]>((from, to))
        .map_err(|error| failed(&error.into()))?;
    for row in rows {
        let (key, value) = row.map_err(|error| failed(&error.into()))?;
        let payload = table.unseal(key.value(), value.value());
        if visit(key.value(), payload)? == Scan::Stop {
            break;
        }
    }
    Ok(())
}

/// What redb's failure is to a caller.
pub(super) fn failed(error: &redb::Error) -> StorageError {
    match error {
        redb::Error::Io(source) => {
            let source = std::io::Error::new(source.kind(), source.to_string());
            StorageError::io("access", Path::new(super::FILE_NAME), source)
        }
        other => StorageError::Metadata(other.to_string()),
    }
}

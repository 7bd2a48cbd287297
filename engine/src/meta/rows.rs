//! [`Rows`]: reading typed rows, the same way from a [`Snapshot`] and from a write transaction.
//!
//! Every value is unsealed and decoded here, so no other code sees an unchecked byte.

use super::codec::Record;
use super::keys;
use super::recent::Recent;
use super::records::{StateRecord, UncountedState};
use super::tables::Table;
use super::transaction::STATE;
use super::trees::{Arrangement, STRAY, Tree};
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

/// One consistent view of the last commit. Trees are opened when they are first read.
pub(super) struct Snapshot {
    transaction: ReadTransaction,
    arrangement: Arrangement,
    trees: [OnceLock<Bytewise>; Table::ALL.len()],
    /// What was read of it.
    pub(super) recent: Recent,
}

/// How much a store has of what people ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) blobs: u64,
    pub(crate) manifests: u64,
    pub(crate) repositories: u64,
    pub(crate) tags: u64,
}

/// A tree as it is stored: bytes to bytes.
type Bytewise = ReadOnlyTable<&'static [u8], &'static [u8]>;

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn new(database: &impl ReadableDatabase) -> Result<Self, StorageError> {
        Self::of(database, Arrangement::Shared)
    }

    /// Of a file whose tables are arranged like this.
    pub(super) fn of(
        database: &impl ReadableDatabase,
        arrangement: Arrangement,
    ) -> Result<Self, StorageError> {
        let transaction = database
            .begin_read()
            .map_err(|error| failed(&error.into()))?;
        Ok(Self {
            transaction,
            arrangement,
            trees: [const { OnceLock::new() }; Table::ALL.len()],
            recent: Recent::default(),
        })
    }

    /// How many rows a table has that has a tree of its own.
    pub(super) fn len(&self, table: Table) -> Result<u64, StorageError> {
        use redb::ReadableTableMetadata;
        let tree = self.arrangement.tree(table);
        debug_assert!(!tree.is_shared(), "{table:?} shares its tree");
        self.tree(tree)?
            .len()
            .map_err(|error| failed(&error.into()))
    }

    /// How much there is, without walking over it.
    pub(super) fn counts(&self) -> Result<Counts, StorageError> {
        let (blobs, manifests) = match self.arrangement {
            Arrangement::Apart => (self.len(Table::Blobs)?, self.len(Table::Manifests)?),
            Arrangement::Shared => {
                let totals = self.state()?.totals;
                (totals.blobs, totals.manifests)
            }
        };
        Ok(Counts {
            blobs,
            manifests,
            repositories: self.len(Table::RepositoryNames)?,
            tags: self.len(Table::Tags)?,
        })
    }

    /// What every commit writes; of a store that has none yet, its beginning.
    pub(super) fn state(&self) -> Result<StateRecord, StorageError> {
        let state = match self.arrangement {
            Arrangement::Apart => {
                let uncounted: Option<UncountedState> = self.record(Table::Settings, STATE)?;
                uncounted.map(|UncountedState(state)| state)
            }
            Arrangement::Shared => self.record(Table::Settings, STATE)?,
        };
        Ok(state.unwrap_or_default())
    }

    /// Whether a tree was ever made: a new file has none.
    pub(super) fn exists(&self, tree: Tree) -> Result<bool, StorageError> {
        match self.transaction.open_table(tree.definition()) {
            Ok(_) => Ok(true),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(failed(&error.into())),
        }
    }

    /// The trees of the file.
    pub(super) fn arrangement(&self) -> Arrangement {
        self.arrangement
    }

    /// An open tree, for reading rows as they are stored.
    pub(super) fn tree(&self, tree: Tree) -> Result<&Bytewise, StorageError> {
        let cell = &self.trees[tree.index()];
        if let Some(open) = cell.get() {
            return Ok(open);
        }
        let opened = self.transaction.open_table(tree.definition());
        let opened = opened.map_err(|error| failed(&error.into()))?;
        Ok(cell.get_or_init(|| opened))
    }
}

impl Rows for Snapshot {
    fn payload(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let tree = self.arrangement.tree(table);
        payload_of(self.tree(tree)?, (tree, table), key)
    }

    fn scan_any(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut VisitAny<'_>,
    ) -> Result<(), StorageError> {
        let tree = self.arrangement.tree(table);
        scan_of(self.tree(tree)?, (tree, table), (prefix, after), visit)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

/// Reads and unseals one value of an open tree.
pub(super) fn payload_of(
    open: &impl ReadableTable<&'static [u8], &'static [u8]>,
    (tree, table): (Tree, Table),
    key: &[u8],
) -> Result<Option<Vec<u8>>, StorageError> {
    let value = open.get(&*tree.key(table, key));
    let value = value.map_err(|error| failed(&error.into()))?;
    let payload = value.map(|value| table.unseal(key, value.value()).map(<[u8]>::to_vec));
    Ok(payload.transpose()?)
}

/// See [`Rows::scan_any`]. Rows of other tables of the tree are passed over.
pub(super) fn scan_of(
    open: &impl ReadableTable<&'static [u8], &'static [u8]>,
    (tree, table): (Tree, Table),
    (prefix, after): (&[u8], Option<&[u8]>),
    visit: &mut VisitAny<'_>,
) -> Result<(), StorageError> {
    let from = match after {
        // Where a tree is shared, this finds the row under `after` itself again.
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
        let (of, key) = tree.row(key.value());
        let concerns = match of {
            Some(of) => of == table,
            None if prefix.is_empty() => table == tree.first(),
            None => concerns(open, (tree, table), (key, value.value()))?,
        };
        // Rows out of order lead back to before `after`: who goes on behind it must get further.
        if !concerns || after.is_some_and(|after| key <= after) {
            continue;
        }
        let payload = match of {
            Some(_) => table.unseal(key, value.value()),
            None => Err(Corruption::Record {
                table: table.name(),
                why: STRAY,
            }),
        };
        if visit(key, payload)? == Scan::Stop {
            break;
        }
    }
    Ok(())
}

/// Whether a stray is to be told of where a table is asked about something: it may be the table's row, and
/// there is none instead of it.
fn concerns(
    open: &impl ReadableTable<&'static [u8], &'static [u8]>,
    (tree, table): (Tree, Table),
    (key, value): (&[u8], &[u8]),
) -> Result<bool, StorageError> {
    let Some((owner, row)) = tree.owner(key, value) else {
        return Ok(true);
    };
    if owner != table {
        return Ok(false);
    }
    let instead = open.get(&*tree.key(owner, row));
    Ok(instead.map_err(|error| failed(&error.into()))?.is_none())
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

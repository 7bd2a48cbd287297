//! [`MetadataCopy`]: all rows of a store at one moment, in a file of their own, for backups.
//!
//! redb has no copy of a running database, so the rows of one snapshot are written into a new
//! file. Invariants:
//! 1. Every row is copied as it is stored, after its checksum was compared; one that is damaged
//!    ends the copy.
//! 2. The key of upload ids is left out: uploads are no part of a backup, and a store that is made
//!    of the copy draws its own, so that its ids and its [`Metadata::identity`] are its own too.
//! 3. Reading a copy changes no byte of its file.

use super::codec::Record as _;
use super::database::UPLOAD_KEY;
use super::opening::FORMAT;
use super::records::{BlobRecord, FileRecord};
use super::requests::Location;
use super::rows::{Counts, Rows, Scan, Snapshot, failed, payload_of};
use super::tables::Table;
use super::trees::{Arrangement, Tree, Trees};
use super::{FORMAT_VERSION, Metadata, keys};
use crate::digest::Digest;
use crate::disk::{DiskBackend, DiskFile};
use crate::fault::StorageError;
use crate::layout::FileKind;
use redb::{ReadableDatabase, ReadableTable as _};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of memory for pages of a copy, while it is written and while it is read.
const CACHE: usize = 8 * 1024 * 1024;

/// Rows between two looks at whether the copy is still wanted.
const STRIDE: u64 = 1024;

/// What a copy knows of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CopiedBlob {
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
    pub(crate) location: Location,
    /// CRC-32C of the content of a blob of at most one block; zero for others.
    pub(crate) check: u32,
    /// There is no right content of it.
    pub(crate) damaged: bool,
}

/// A copy, open for reading.
pub(crate) struct MetadataCopy {
    rows: Snapshot,
    path: PathBuf,
    // Behind the snapshot, so that it is dropped after it.
    _database: redb::ReadOnlyDatabase,
}

/// Asked from time to time whether to go on.
type GoOn<'a> = dyn FnMut() -> Result<(), StorageError> + 'a;

// === impl Metadata ===

impl Metadata {
    /// Writes all rows of the last commit into an empty file and makes it durable. Blocks.
    pub(crate) fn copy_to(
        &self,
        file: &Arc<dyn DiskFile>,
        path: &Path,
        go_on: &mut GoOn<'_>,
    ) -> Result<(), StorageError> {
        let written = self.database.read_once(|rows| {
            let mut go_on = || {
                go_on()?;
                // Whoever opens a failed database again, or closes it, waits for all readers.
                self.database.check_current()
            };
            in_writing(file, path, |writer| {
                let mut trees = rows.arrangement().trees();
                trees.try_for_each(|tree| copy_tree(rows, tree, (writer, path), &mut go_on))
            })
        });
        written.and_then(|()| make_durable(&**file, path))
    }

    /// What tells this store from every other, restored copies of it included.
    pub(crate) fn identity(&self) -> [u8; 16] {
        let key = blake3::derive_key("floundr 1 store identity", &self.upload_key.0);
        let (identity, _) = key
            .split_first_chunk()
            .expect("a derived key has 32 bytes, more than 16");
        *identity
    }

    /// Time since the epoch by the wall clock, for people to read.
    pub(crate) fn wall(&self) -> Duration {
        self.clock.wall()
    }
}

// === impl MetadataCopy ===

impl MetadataCopy {
    /// Opens a copy. Blocks, as everything here.
    pub(crate) fn open(file: Arc<dyn DiskFile>, path: &Path) -> Result<Self, StorageError> {
        contained(path, || {
            let database = redb::Builder::new()
                .set_cache_size(CACHE)
                .open_read_only_with_backend(DiskBackend::new(file))
                .map_err(|error| failed(&error.into()))?;
            Ok(Self {
                rows: Snapshot::of(&database, arrangement(&database)?)?,
                path: path.to_owned(),
                _database: database,
            })
        })
    }

    /// Notes in a copy of this version that blobs are damaged, and makes that durable.
    pub(crate) fn mark_damaged(
        file: &Arc<dyn DiskFile>,
        path: &Path,
        digests: &[Digest],
    ) -> Result<(), StorageError> {
        let marked = contained(path, || {
            in_writing(file, path, |writer| {
                let trees = Trees::open(writer, Arrangement::Shared);
                let mut trees = trees.map_err(|error| failed(&error))?;
                digests
                    .iter()
                    .try_for_each(|digest| mark_one(&mut trees, digest))
            })
        });
        marked.and_then(|()| make_durable(&**file, path))
    }

    /// Whether this version reads the rows' form.
    pub(crate) fn is_readable(&self) -> Result<bool, StorageError> {
        let format = self.read(|rows| rows.record::<u64>(Table::Settings, FORMAT))?;
        // Others arrange the rows in another way (see `trees`), and count none in the state.
        Ok(format.is_some_and(|format| (1..=u64::from(FORMAT_VERSION)).contains(&format)))
    }

    /// How much it has.
    pub(crate) fn counts(&self) -> Result<Counts, StorageError> {
        self.read(Snapshot::counts)
    }

    /// At most `limit` blobs behind `after`, in a fixed order.
    pub(crate) fn blobs(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<CopiedBlob>, StorageError> {
        self.page(Table::Blobs, after, limit, |digest, payload| {
            let record = BlobRecord::from_payload(Table::Blobs, payload)?;
            Ok(CopiedBlob::new(digest, &record))
        })
    }

    /// What the copy knows of a blob.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<CopiedBlob>, StorageError> {
        let record: Option<BlobRecord> =
            self.read(|rows| rows.record(Table::Blobs, &digest.to_key()))?;
        Ok(record.map(|record| CopiedBlob::new(*digest, &record)))
    }

    /// The blob that a blob file holds.
    pub(crate) fn file_holder(&self, number: u64) -> Result<Option<Digest>, StorageError> {
        Ok(match self.file(number)? {
            Some(FileRecord::Blob(digest)) => Some(digest),
            Some(FileRecord::Segment { .. }) | None => None,
        })
    }

    /// Whether a record tells of this file.
    pub(crate) fn names_file(&self, kind: FileKind, number: u64) -> Result<bool, StorageError> {
        Ok(match self.file(number)? {
            Some(FileRecord::Blob(_)) => kind == FileKind::Blob,
            Some(FileRecord::Segment { live }) => kind == FileKind::Segment && live > 0,
            None => false,
        })
    }

    /// At most `limit` manifests behind `after`: the digest each is stored under and its bytes.
    pub(crate) fn manifests(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<(Digest, Vec<u8>)>, StorageError> {
        self.page(Table::Contents, after, limit, |digest, payload| {
            Ok((digest, payload.to_vec()))
        })
    }

    fn file(&self, number: u64) -> Result<Option<FileRecord>, StorageError> {
        self.read(|rows| rows.record(Table::Files, &keys::number(number)))
    }

    fn page<T>(
        &self,
        table: Table,
        after: Option<&Digest>,
        limit: usize,
        mut item: impl FnMut(Digest, &[u8]) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let after = after.map(|digest| digest.to_key());
        let mut items = Vec::new();
        let mut visit = |key: &[u8], payload: &[u8]| {
            if items.len() == limit {
                return Ok(Scan::Stop);
            }
            items.push(item(keys::last_digest(table, key)?, payload)?);
            Ok(Scan::Next)
        };
        self.read(|rows| rows.scan(table, &[], after.as_deref(), &mut visit))?;
        Ok(items)
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        contained(&self.path, || read(&self.rows))
    }
}

impl fmt::Debug for MetadataCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataCopy")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

// === impl CopiedBlob ===

impl CopiedBlob {
    fn new(digest: Digest, record: &BlobRecord) -> Self {
        Self {
            digest,
            size: record.size,
            location: record.location,
            check: record.check,
            damaged: record.damaged,
        }
    }
}

/// Changes the database in `file` in one transaction, and closes it.
fn in_writing(
    file: &Arc<dyn DiskFile>,
    path: &Path,
    change: impl FnOnce(&redb::WriteTransaction) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let database = redb::Builder::new()
        .set_cache_size(CACHE)
        .create_with_backend(DiskBackend::new(Arc::clone(file)))
        .map_err(|error| at(path, failed(&error.into())))?;
    let mut writer = database
        .begin_write()
        .map_err(|error| at(path, failed(&error.into())))?;
    writer.set_quick_repair(true);
    change(&writer)?;
    writer
        .commit()
        .map_err(|error| at(path, failed(&error.into())))?;
    // Closing writes and syncs as well, and dropping would not say that this failed: a later sync
    // that succeeds says nothing of what an earlier one lost.
    database
        .close()
        .map_err(|error| at(path, failed(&error.into())))
}

/// Copies the rows of one tree into the file at `path`.
fn copy_tree(
    rows: &Snapshot,
    tree: Tree,
    (writer, path): (&redb::WriteTransaction, &Path),
    go_on: &mut GoOn<'_>,
) -> Result<(), StorageError> {
    let mut target = writer
        .open_table(tree.definition())
        .map_err(|error| at(path, failed(&error.into())))?;
    let source = rows.tree(tree)?.iter();
    let source = source.map_err(|error| failed(&error.into()))?;
    for (copied, row) in (0_u64..).zip(source) {
        if copied.is_multiple_of(STRIDE) {
            go_on()?;
        }
        let (stored, value) = row.map_err(|error| failed(&error.into()))?;
        let (stored, value) = (stored.value(), value.value());
        let (table, key) = tree.row(stored);
        let table = table.unwrap_or(tree.first());
        table.unseal(key, value)?;
        if (table, key) == (Table::Settings, UPLOAD_KEY) {
            continue;
        }
        let inserted = target.insert(stored, value).map(drop);
        inserted.map_err(|error| at(path, failed(&error.into())))?;
    }
    Ok(())
}

fn mark_one(trees: &mut Trees<'_>, digest: &Digest) -> Result<(), StorageError> {
    let (table, key) = (Table::Blobs, digest.to_key());
    let (tree, blobs) = trees.of(table);
    let payload = payload_of(blobs, (tree, table), &key)?;
    let Some(payload) = payload else {
        return Ok(());
    };
    let damaged = true;
    let record = BlobRecord {
        damaged,
        ..BlobRecord::from_payload(table, &payload)?
    };
    let sealed = table.seal(&key, &record.to_payload());
    let put = trees.put(table, &key, &sealed).map(drop);
    put.map_err(|error| failed(&error))
}

/// How the tables of a copy are arranged.
fn arrangement(database: &impl ReadableDatabase) -> Result<Arrangement, StorageError> {
    // The settings lie in the same place in all.
    let format = Snapshot::new(database)?.record::<u64>(Table::Settings, FORMAT)?;
    Ok(format.map_or(Arrangement::Shared, Arrangement::of_format))
}

fn make_durable(file: &dyn DiskFile, path: &Path) -> Result<(), StorageError> {
    file.sync()
        .map_err(|error| StorageError::not_synced("sync", path, error))
}

/// Runs `work`; a panic of redb on a damaged page is an error.
fn contained<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| {
        let why = format!("a damaged page of {} could not be read", path.display());
        Err(StorageError::Metadata(why))
    });
    outcome.map_err(|error| at(path, error))
}

/// The error with the copy's path instead of the running store's.
fn at(path: &Path, error: StorageError) -> StorageError {
    let is_default = |named: &PathBuf| named.as_path() == Path::new(super::FILE_NAME);
    match error {
        StorageError::Io {
            action,
            path: named,
            source,
        } if is_default(&named) => StorageError::Io {
            action,
            path: path.to_owned(),
            source,
        },
        StorageError::Full {
            action,
            path: named,
        } if is_default(&named) => StorageError::Full {
            action,
            path: path.to_owned(),
        },
        other => other,
    }
}

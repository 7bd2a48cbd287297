//! Making deletions final: the queue of what was deleted, by the time when it is due.
//!
//! Record and edges go in one transaction; there the grace of the blobs begins. Everything that a
//! removal reads is read before it writes, and a damaged row is left and named (see `garbage`), so no
//! batch fails on damage.

use super::commit::Request;
use super::garbage::{self, DamagedRow, Gathering, Piece};
use super::keys;
use super::lookup;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::Transaction;
use super::trash::{DeletedRecord, Drain, TrashItem};
use super::write_collect::BATCH;
use super::write_drain;
use super::write_manifests::remove_manifest;
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::{Corruption, StorageError};
use crate::repository::TagChange;

/// A step takes no further item when it has written this many rows.
const ROWS: usize = 1024;

/// Makes a bounded number of deletions final.
#[derive(Debug, Clone)]
pub(super) struct PurgeTrash {
    /// Those that are due then.
    pub(super) until: EngineTime,
    /// The key of the queue behind which to begin.
    pub(super) after: Option<Vec<u8>>,
}

/// What a step of the purge did.
#[derive(Debug, Default)]
pub(crate) struct Purged {
    /// Manifests that cannot be restored any more.
    pub(crate) manifests: u64,
    /// Rows of the queue that stay, since they or what they lead to could not be read.
    pub(crate) damaged: Vec<DamagedRow>,
    /// Behind which key to go on; `None`: nothing more is due.
    pub(crate) next: Option<Vec<u8>>,
}

/// A row of the queue.
#[derive(Debug)]
pub(super) struct DueItem {
    key: Vec<u8>,
    due: EngineTime,
    number: u64,
    item: TrashItem,
}

/// What becomes of it.
enum Final {
    /// It was restored or replaced since.
    Nothing,
    Manifest(FinalManifest),
    Repository {
        key: Vec<u8>,
        id: u64,
    },
    History(Vec<u8>),
}

struct FinalManifest {
    repository: u64,
    digest: Digest,
    link: u64,
}

// === requests ===

impl Request for PurgeTrash {
    type Answer = Purged;
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Purged, StorageError> {
        let due = due_items(transaction, self.until, self.after.as_deref(), BATCH)?;
        let mut purged = Purged {
            manifests: 0,
            damaged: due.damaged,
            next: due.next,
        };
        let rows_before = transaction.rows;
        for item in due.items {
            let key = item.key.clone();
            match checked(transaction, item) {
                Ok(Final::Manifest(manifest)) => {
                    purged.manifests += 1;
                    purge_manifest(transaction, &manifest)?;
                }
                Ok(Final::Repository { key, id }) => {
                    transaction.remove(Table::DeletedRepositories, &key)?;
                    write_drain::begin(transaction, &Drain::Repository(id))?;
                }
                Ok(Final::History(key)) => transaction.remove(Table::TagHistory, &key)?,
                Ok(Final::Nothing) => {}
                Err(StorageError::Corrupt(damage)) => {
                    let row = DamagedRow::new(Table::TrashQueue, &key, &damage);
                    purged.damaged.push(row);
                    continue;
                }
                Err(error) => return Err(error),
            }
            transaction.remove(Table::TrashQueue, &key)?;
            // Some manifests have many edges; one always fits.
            if transaction.rows - rows_before >= ROWS {
                purged.next = Some(key);
                break;
            }
        }
        Ok(purged)
    }
}

/// What becomes of an item of the trash, with everything read that it takes.
fn checked(rows: &impl Rows, due: DueItem) -> Result<Final, StorageError> {
    let number = due.number;
    match due.item {
        TrashItem::Manifest { repository, digest } => {
            let trash = lookup::trashed(rows, repository, &digest)?;
            let Some(trash) = trash.filter(|trash| trash.deletion.number == number) else {
                return Ok(Final::Nothing);
            };
            garbage::check_remove_manifest(rows, repository, &digest)?;
            Ok(Final::Manifest(FinalManifest {
                repository,
                digest,
                link: trash.manifest.link,
            }))
        }
        TrashItem::Repository { name, id } => {
            let key = keys::deleted_repository(&name, id);
            let deleted = rows.record::<DeletedRecord>(Table::DeletedRepositories, &key)?;
            match deleted.filter(|deleted| deleted.deletion.number == number) {
                Some(_) => Ok(Final::Repository { key, id }),
                None => Ok(Final::Nothing),
            }
        }
        TrashItem::History {
            repository,
            tag,
            time,
        } => {
            let key = keys::tag(repository, tag.as_str());
            let changes = rows.record::<Vec<TagChange>>(Table::TagHistory, &key)?;
            let last = changes.as_ref().and_then(|changes| changes.last());
            // A history goes if the deletion at `time` is still its end.
            match last.filter(|last| last.event.is_end() && last.time == time) {
                Some(_) => Ok(Final::History(key)),
                None => Ok(Final::Nothing),
            }
        }
    }
}

/// Drops a deleted manifest with its edges and its tags' names.
fn purge_manifest(
    transaction: &mut Transaction<'_>,
    manifest: &FinalManifest,
) -> Result<(), StorageError> {
    let FinalManifest {
        repository,
        digest,
        link,
        ..
    } = *manifest;
    transaction.remove(Table::Trash, &keys::in_repository(repository, &digest))?;
    remove_manifest(transaction, repository, &digest)?;
    write_drain::begin(transaction, &Drain::Tags { repository, link })
}

/// The items of the trash that are due at `until`, from behind the key `after`; at most `limit`.
pub(super) fn due_items(
    rows: &impl Rows,
    until: EngineTime,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Piece<DueItem>, StorageError> {
    let mut due = Gathering::default();
    rows.scan_any(Table::TrashQueue, &[], after, &mut |key, payload| {
        let row = payload.and_then(|payload| due_item(key, payload));
        if matches!(&row, Ok(row) if row.due > until) {
            return Ok(Scan::Stop);
        }
        if due.items.len() == limit {
            due.is_full = true;
            return Ok(Scan::Stop);
        }
        due.last = key.to_vec();
        match row {
            Ok(row) => due.items.push(row),
            Err(damage) => due.set_aside(Table::TrashQueue, key, &damage),
        }
        Ok(Scan::Next)
    })?;
    Ok(due.finish())
}

fn due_item(key: &[u8], payload: &[u8]) -> Result<DueItem, Corruption> {
    use super::codec::Record as _;
    let (due, rest) = keys::split_number(Table::TrashQueue, key)?;
    let (number, _) = keys::split_number(Table::TrashQueue, rest)?;
    Ok(DueItem {
        key: key.to_vec(),
        due: EngineTime(due),
        number,
        item: TrashItem::from_payload(Table::TrashQueue, payload)?,
    })
}

// === impl DueItem ===

impl DueItem {
    pub(super) fn is_manifest(&self) -> bool {
        matches!(self.item, TrashItem::Manifest { .. })
    }
}

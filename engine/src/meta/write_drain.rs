//! The draining of rows that are invisible already: tags of deleted manifests, and everything of
//! repositories that cannot be restored any more.
//!
//! The few names that a manifest's tags usually have are settled in the transaction that deletes or
//! purges it (`begin`), and make no drain.
//!
//! A drain goes through its rows in bounded steps, from a [`Mark`] to the next; after each the
//! invariants of `transaction` hold. A damaged row is left and the step goes on behind it; the drain's
//! own row then stays too, so that a later run finds out whether the row was repaired. What such a
//! row may refer to is not protected: it lies in a repository that was deleted by order, edges never
//! lead out of a repository, and the blobs' links go by their own rows.

use super::codec::Record as _;
use super::commit::Request;
use super::garbage::{self, DamagedRow};
use super::keys;
use super::lookup;
use super::records::{LinkRecord, TagRecord};
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::Transaction;
use super::trash::{Drain, TrashRecord};
use super::write_collect::{BATCH, Collected};
use super::write_manifests::remove_manifest;
use super::write_tags::{hide_tag, remove_tag, to_hide};
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::Tag;

/// One step of a drain.
#[derive(Debug, Clone)]
pub(super) struct DrainRows {
    /// The key of the drain's row.
    pub(super) key: Vec<u8>,
    pub(super) from: Mark,
}

/// What becomes of the names that a manifest's tags had.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// It can be restored, and they with it.
    Stay,
    /// It is gone for good.
    Go,
}

/// A tag, and its row in `Tags` if that still names the manifest at hand.
type LinkedTag = (Tag, Option<TagRecord>);

/// Names that are settled when a drain begins.
const AT_ONCE: usize = 8;

/// How far a drain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The table whose rows are next, by its place in the order of the drain.
    stage: usize,
    /// The key behind which they begin.
    after: Option<Vec<u8>>,
}

/// What a step of a drain did.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(crate) collected: Collected,
    pub(crate) damaged: Vec<DamagedRow>,
    /// Where to go on; `None` when the drain went through all of its rows.
    pub(crate) next: Option<Mark>,
}

/// The tables of a repository, in the order in which they are drained.
const STAGES: [Table; 6] = [
    Table::Manifests,
    Table::Trash,
    Table::BlobLinks,
    Table::Tags,
    Table::LinkTags,
    Table::TagHistory,
];

impl Mark {
    /// At the beginning.
    pub(crate) const START: Self = Self {
        stage: 0,
        after: None,
    };
}

/// The rows of one step.
struct Rest {
    keys: Vec<Vec<u8>>,
    damaged: Vec<DamagedRow>,
    /// Whether the table may have more behind them.
    more: bool,
}

impl Request for DrainRows {
    type Answer = Drained;
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Drained, StorageError> {
        match transaction.record(Table::Drains, &self.key)? {
            None => Ok(Drained::nothing()),
            Some(Drain::Tags { repository, link }) => {
                drain_names(transaction, &self, (repository, link), Names::Go)
            }
            Some(Drain::HideTags {
                repository,
                digest,
                link,
            }) => {
                let manifest = lookup::manifest(transaction, repository, &digest)?;
                if manifest.is_some_and(|manifest| manifest.link == link) {
                    // Restored since: they are its tags again.
                    transaction.remove(Table::Drains, &self.key)?;
                    return Ok(Drained::nothing());
                }
                drain_names(transaction, &self, (repository, link), Names::Stay)
            }
            Some(Drain::Repository(id)) => drain_repository(transaction, &self, id),
        }
    }
}

/// Begins a drain. The few names that a manifest's tags usually have are settled at once: a drain that
/// waits in the queue costs a commit of its own. It is queued only if there are more, or one that cannot
/// be read.
pub(super) fn begin(transaction: &mut Transaction<'_>, drain: &Drain) -> Result<(), StorageError> {
    let (of, names) = match *drain {
        Drain::Tags { repository, link } => ((repository, link), Names::Go),
        Drain::HideTags {
            repository, link, ..
        } => ((repository, link), Names::Stay),
        Drain::Repository(_) => return transaction.enqueue(Table::Drains, drain),
    };
    let begun = settle_names(transaction, of, (&Mark::START, AT_ONCE), names)?;
    if begun.next.is_some() || !begun.damaged.is_empty() {
        transaction.enqueue(Table::Drains, drain)?;
    }
    Ok(())
}

/// One step through the names of a manifest that is out of sight; its drain ends with the last.
fn drain_names(
    transaction: &mut Transaction<'_>,
    step: &DrainRows,
    of: (u64, u64),
    names: Names,
) -> Result<Drained, StorageError> {
    let drained = settle_names(transaction, of, (&step.from, BATCH), names)?;
    let is_over = drained.next.is_none()
        && match names {
            // What could not be read is invisible all the same, and goes when the trash does.
            Names::Stay => true,
            Names::Go => !transaction.any_row(Table::LinkTags, &keys::tags_of_link(of.0, of.1))?,
        };
    if is_over {
        transaction.remove(Table::Drains, &step.key)?;
    }
    Ok(drained)
}

/// Hides the tags that still name a manifest that is out of sight, from a mark on and at most so many;
/// if it is gone for good, their names go too.
fn settle_names(
    transaction: &mut Transaction<'_>,
    (repository, link): (u64, u64),
    from: (&Mark, usize),
    names: Names,
) -> Result<Drained, StorageError> {
    let prefix = keys::tags_of_link(repository, link);
    let rest = rest(transaction, Table::LinkTags, &prefix, from)?;
    let mut drained = Drained::nothing();
    drained.damaged = rest.damaged;
    for key in &rest.keys {
        let tag = tag_of_link(transaction, (repository, link), key)?;
        match (drained.sound(tag), names) {
            (Some((tag, Some(record))), _) => hide_tag(transaction, repository, &tag, &record)?,
            (Some((_, None)), Names::Go) => transaction.remove(Table::LinkTags, key)?,
            (Some((_, None)), Names::Stay) | (None, _) => {}
        }
    }
    if rest.more {
        let after = rest.keys.last().cloned();
        drained.next = Some(Mark { stage: 0, after });
    }
    Ok(drained)
}

/// Removes some rows of a deleted repository.
fn drain_repository(
    transaction: &mut Transaction<'_>,
    step: &DrainRows,
    id: u64,
) -> Result<Drained, StorageError> {
    let prefix = keys::number(id);
    let mut drained = Drained::nothing();
    let Some(&table) = STAGES.get(step.from.stage) else {
        for table in STAGES {
            if transaction.any_row(table, &prefix)? {
                return Ok(drained);
            }
        }
        transaction.remove(Table::Repositories, &prefix)?;
        transaction.remove(Table::Drains, &step.key)?;
        return Ok(drained);
    };
    // A manifest has many edges: few of them make a batch.
    let limit = if matches!(table, Table::Manifests | Table::Trash) {
        BATCH / 16
    } else {
        BATCH
    };
    let rest = rest(transaction, table, &prefix, (&step.from, limit))?;
    drained.damaged = rest.damaged;
    let last = rest.keys.last().cloned();
    for key in rest.keys {
        if let Err(damage) = drain_row(transaction, table, (id, &key), &mut drained.collected)? {
            drained.damaged.push(damage);
        }
    }
    drained.next = Some(if rest.more {
        let stage = step.from.stage;
        Mark { stage, after: last }
    } else {
        let stage = step.from.stage + 1;
        Mark { stage, after: None }
    });
    Ok(drained)
}

/// Removes a row of a deleted repository with what hangs on it, or answers why it stays.
fn drain_row(
    transaction: &mut Transaction<'_>,
    table: Table,
    (id, key): (u64, &[u8]),
    collected: &mut Collected,
) -> Result<Result<(), DamagedRow>, StorageError> {
    match table {
        Table::Tags => return drain_tag(transaction, (id, key)),
        Table::LinkTags | Table::TagHistory => return transaction.remove(table, key).map(Ok),
        _ => {}
    }
    match readable(transaction, table, (id, key)) {
        Ok((digest, None)) => {
            if table == Table::Trash {
                let trash: TrashRecord = transaction.needed(table, key, "its key")?;
                transaction.dequeue_trash(&trash.deletion)?;
                transaction.remove(table, key)?;
            }
            remove_manifest(transaction, id, &digest)?;
        }
        Ok((digest, Some(link))) => {
            let bytes = transaction.unlink_blob(id, &digest, &link)?;
            collected.count(bytes);
        }
        Err(StorageError::Corrupt(damage)) => {
            return Ok(Err(DamagedRow::new(table, key, &damage)));
        }
        Err(error) => return Err(error),
    }
    Ok(Ok(()))
}

/// A tag of a manifest that is out of sight, from its row in `LinkTags`; with its own row if that
/// still names this manifest. Reads all that hiding it will read.
fn tag_of_link(
    rows: &Transaction<'_>,
    (repository, link): (u64, u64),
    key: &[u8],
) -> Result<Result<LinkedTag, DamagedRow>, StorageError> {
    let text = key.get(keys::tags_of_link(repository, link).len()..);
    let tag = keys::last_text::<Tag>(Table::LinkTags, text.unwrap_or_default())
        .map_err(StorageError::from)
        .and_then(|tag| Ok((to_hide(rows, repository, &tag, link)?, tag)));
    match tag {
        Ok((record, tag)) => Ok(Ok((tag, record))),
        Err(StorageError::Corrupt(damage)) => {
            Ok(Err(DamagedRow::new(Table::LinkTags, key, &damage)))
        }
        Err(error) => Err(error),
    }
}

/// Removes both rows of a tag, so that no commit has one without the other.
fn drain_tag(
    transaction: &mut Transaction<'_>,
    (id, key): (u64, &[u8]),
) -> Result<Result<(), DamagedRow>, StorageError> {
    let record: TagRecord = transaction.needed(Table::Tags, key, "its key")?;
    let (_, text) = keys::split_number(Table::Tags, key)?;
    match keys::last_text::<Tag>(Table::Tags, text) {
        Ok(tag) => remove_tag(transaction, id, &tag, record.link).map(Ok),
        Err(damage) => Ok(Err(DamagedRow::new(Table::Tags, key, &damage))),
    }
}

/// Reads all that the removal of a row will read: a manifest's, or a blob link's with its record.
pub(super) fn readable(
    rows: &impl Rows,
    table: Table,
    (id, key): (u64, &[u8]),
) -> Result<(Digest, Option<LinkRecord>), StorageError> {
    let (_, rest) = keys::split_number(table, key)?;
    let digest = keys::last_digest(table, rest)?;
    if matches!(table, Table::Manifests | Table::Trash) {
        garbage::check_remove_manifest(rows, id, &digest)?;
        return Ok((digest, None));
    }
    let link = rows.needed(table, key, "its key")?;
    garbage::check_unlink(rows, id, &digest)?;
    Ok((digest, Some(link)))
}

/// The rows of a table from a mark on; damaged ones are named and not counted against the limit.
fn rest(
    rows: &Transaction<'_>,
    table: Table,
    prefix: &[u8],
    (from, limit): (&Mark, usize),
) -> Result<Rest, StorageError> {
    let mut rest = Rest {
        keys: Vec::new(),
        damaged: Vec::new(),
        more: false,
    };
    let after = from.after.as_deref();
    rows.scan_any(table, prefix, after, &mut |key, payload| {
        if rest.keys.len() == limit {
            rest.more = true;
            return Ok(Scan::Stop);
        }
        let is_sound = match table {
            // The key says all there is.
            Table::LinkTags => Ok(()),
            _ => payload.and_then(|payload| well_formed(table, payload)),
        };
        match is_sound {
            Ok(()) => rest.keys.push(key.to_vec()),
            Err(damage) => rest.damaged.push(DamagedRow::new(table, key, &damage)),
        }
        Ok(Scan::Next)
    })?;
    Ok(rest)
}

/// Whether a row's payload is what its table has, where the drain reads it.
fn well_formed(table: Table, payload: &[u8]) -> Result<(), crate::fault::Corruption> {
    match table {
        Table::BlobLinks => LinkRecord::from_payload(table, payload).map(drop),
        Table::Tags => TagRecord::from_payload(table, payload).map(drop),
        Table::Trash => TrashRecord::from_payload(table, payload).map(drop),
        _ => Ok(()),
    }
}

// === impl Drained ===

impl Drained {
    fn nothing() -> Self {
        Self {
            collected: Collected::default(),
            damaged: Vec::new(),
            next: None,
        }
    }

    /// What could be read; what could not is set aside.
    fn sound<T>(&mut self, read: Result<T, DamagedRow>) -> Option<T> {
        read.map_err(|damage| self.damaged.push(damage)).ok()
    }
}

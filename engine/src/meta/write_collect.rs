//! The collector's transactions. Each does a bounded piece of work and says whether more is due.

use super::commit::{Request, Staged};
use super::keys;
use super::records::{Drain, FileRecord, LinkRecord, Place};
use super::requests::Location;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::Transaction;
use super::write_manifests::{remove_manifest, remove_tag};
use crate::clock::EngineTime;
use crate::fault::StorageError;
use crate::name::Tag;

/// Rows one transaction of the collector touches at most, so that it delays no other for long.
const BATCH: usize = 256;

/// What a transaction of the collector did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Collected {
    /// Blobs that left a repository.
    pub(crate) unlinked: u64,
    /// Blobs that left the store.
    pub(crate) removed: u64,
    /// The bytes of those.
    pub(crate) bytes: u64,
    /// Call again: more may be due.
    pub(crate) more: bool,
}

/// Takes blobs whose grace has passed out of their repositories.
#[derive(Debug, Clone, Copy)]
pub(super) struct CollectDue;

/// Removes rows that are invisible already.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrainRows;

/// Forgets ended uploads whose ids have expired.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForgetUploads;

/// Forgets places whose bytes are gone.
#[derive(Debug, Clone)]
pub(super) struct ForgetPlaces(pub(super) Vec<u64>);

/// Forgets ranges of file numbers that were compared with the records, but for some numbers in them,
/// and segments in them that hold nothing.
#[derive(Debug, Clone)]
pub(super) struct ForgetFiles {
    pub(super) ranges: Vec<u64>,
    /// Numbers of files that may be left without a record later.
    pub(super) kept: Vec<u64>,
    pub(super) empty_segments: Vec<u64>,
}

/// Lets what is written from now on go into another segment than this one.
#[derive(Debug, Clone, Copy)]
pub(super) struct RollSegment(pub(super) u64);

/// Makes everything before it durable, relaxed or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct MakeDurable;

/// Writes nothing but what every commit writes: the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepTime;

// === requests ===

impl Request for CollectDue {
    type Answer = Collected;
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(*self)
    }

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<Collected, StorageError> {
        let now = transaction.now.time;
        let mut due = Vec::new();
        transaction.scan(Table::Candidates, &[], None, &mut |key, _| {
            let (time, rest) = keys::split_number(Table::Candidates, key)?;
            if EngineTime(time) > now || due.len() == BATCH {
                return Ok(Scan::Stop);
            }
            let (repository, rest) = keys::split_number(Table::Candidates, rest)?;
            due.push((repository, keys::last_digest(Table::Candidates, rest)?));
            Ok(Scan::Next)
        })?;
        let mut collected = Collected {
            more: due.len() == BATCH,
            ..Collected::default()
        };
        for (repository, digest) in due {
            let key = keys::in_repository(repository, &digest);
            let link: LinkRecord = transaction.needed(Table::BlobLinks, &key, "a candidate")?;
            let bytes = transaction.unlink_blob(repository, &digest, &link)?;
            collected.unlinked += 1;
            collected.removed += u64::from(bytes.is_some());
            collected.bytes += bytes.unwrap_or(0);
        }
        Ok(collected)
    }
}

impl Request for DrainRows {
    type Answer = Collected;
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(*self)
    }

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<Collected, StorageError> {
        let mut collected = Collected::default();
        let Some(key) = transaction.keys(Table::Drains, &[], 1)?.pop() else {
            return Ok(collected);
        };
        collected.more = true;
        let drained = match transaction.needed(Table::Drains, &key, "its key")? {
            Drain::Tags { repository, link } => drain_tags(transaction, repository, link)?,
            Drain::Repository(id) => drain_repository(transaction, id, &mut collected)?,
        };
        if drained {
            transaction.remove(Table::Drains, &key)?;
        }
        Ok(collected)
    }
}

impl Request for ForgetUploads {
    type Answer = bool;
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(*self)
    }

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<bool, StorageError> {
        let now = transaction.now.time;
        let mut expired = Vec::new();
        transaction.scan(Table::EndedUploads, &[], None, &mut |key, _| {
            let (expiry, _) = keys::split_number(Table::EndedUploads, key)?;
            if EngineTime(expiry) >= now || expired.len() == BATCH {
                return Ok(Scan::Stop);
            }
            expired.push(key.to_vec());
            Ok(Scan::Next)
        })?;
        expired
            .iter()
            .try_for_each(|key| transaction.remove(Table::EndedUploads, key))?;
        Ok(expired.len() == BATCH)
    }
}

impl Request for ForgetPlaces {
    type Answer = ();
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), StorageError> {
        for number in self.0 {
            let key = keys::number(number);
            let place = transaction.record::<Place>(Table::Unlinks, &key)?;
            transaction.remove(Table::Unlinks, &key)?;
            if let Some(Place {
                location: Location::Segment { number, .. },
                whole_segment: true,
                ..
            }) = place
            {
                remove_if_empty(transaction, number)?;
            }
        }
        Ok(())
    }
}

impl Request for ForgetFiles {
    type Answer = ();
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), StorageError> {
        for start in self.ranges {
            transaction.remove(Table::FileRanges, &keys::number(start))?;
        }
        for number in self.kept {
            transaction.put(Table::FileRanges, &keys::number(number), &(number + 1))?;
        }
        self.empty_segments
            .into_iter()
            .try_for_each(|number| remove_if_empty(transaction, number))
    }
}

impl Request for RollSegment {
    type Answer = ();
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(*self)
    }

    fn staged(&self) -> Staged {
        Staged::Roll(self.0)
    }

    fn apply(
        self,
        _transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Request for MakeDurable {
    type Answer = ();
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(*self)
    }

    fn is_barrier(&self) -> bool {
        true
    }

    fn apply(
        self,
        _transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Request for KeepTime {
    type Answer = ();
    type Refusal = StorageError;

    fn again(&self) -> Option<Self> {
        Some(*self)
    }

    fn apply(
        self,
        _transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), StorageError> {
        Ok(())
    }
}

fn remove_if_empty(transaction: &mut Transaction<'_>, segment: u64) -> Result<(), StorageError> {
    let key = keys::number(segment);
    match transaction.record::<FileRecord>(Table::Files, &key)? {
        Some(FileRecord::Segment { live: 0 }) => transaction.remove(Table::Files, &key),
        _ => Ok(()),
    }
}

/// Removes some tags of a link; answers whether none is left.
fn drain_tags(
    transaction: &mut Transaction<'_>,
    repository: u64,
    link: u64,
) -> Result<bool, StorageError> {
    let prefix = keys::tags_of_link(repository, link);
    let rows = transaction.keys(Table::LinkTags, &prefix, BATCH)?;
    for key in &rows {
        let text = key.get(prefix.len()..).unwrap_or_default();
        let tag: Tag = keys::last_text(Table::LinkTags, text)?;
        remove_tag(transaction, repository, &tag, link)?;
    }
    Ok(rows.len() < BATCH)
}

/// Removes some rows of a deleted repository; answers whether none is left.
fn drain_repository(
    transaction: &mut Transaction<'_>,
    id: u64,
    collected: &mut Collected,
) -> Result<bool, StorageError> {
    let prefix = keys::number(id);
    let digest = |table, key: &Vec<u8>| {
        keys::last_digest(table, key.get(prefix.len()..).unwrap_or_default())
    };
    // A manifest has many edges: few of them make a batch.
    let manifests = transaction.keys(Table::Manifests, &prefix, BATCH / 16)?;
    for key in &manifests {
        remove_manifest(transaction, id, &digest(Table::Manifests, key)?)?;
    }
    let blobs = transaction.keys(Table::BlobLinks, &prefix, BATCH)?;
    for key in &blobs {
        let link: LinkRecord = transaction.needed(Table::BlobLinks, key, "its key")?;
        let bytes = transaction.unlink_blob(id, &digest(Table::BlobLinks, key)?, &link)?;
        collected.unlinked += 1;
        collected.removed += u64::from(bytes.is_some());
        collected.bytes += bytes.unwrap_or(0);
    }
    let mut others = 0;
    for table in [Table::Tags, Table::LinkTags] {
        let rows = transaction.keys(table, &prefix, BATCH)?;
        rows.iter()
            .try_for_each(|key| transaction.remove(table, key))?;
        others += rows.len();
    }
    if manifests.is_empty() && blobs.is_empty() && others == 0 {
        transaction.remove(Table::Repositories, &prefix)?;
        return Ok(true);
    }
    Ok(false)
}

//! The audit: walks rows in bounded steps, decodes each, and compares it with what `derive` says.
//!
//! Every step reads one snapshot of its own and all that a row is compared with lies in the same
//! one, so what commits between two steps is never taken for a fault. Segments are the exception:
//! how many blobs lie in one needs all blobs of one snapshot, in one read that gives up when the
//! database wants the snapshot back. Nothing here changes anything; `heal` does.

use super::codec::Record;
use super::counted::Counted;
use super::derive::{
    Derived, derive, edge_parts, holder, in_repository, is_live, is_manifest_there, is_there,
};
use super::derive_deleted::{
    NamesOf, is_draining, link_tag, names_without_tags, queued_repository,
};
use super::keys;
use super::records::{
    BlobRecord, CandidateRecord, EdgeKind, EdgeRecord, FileRecord, LinkRecord, ManifestRecord,
    NameRecord, Place, RepositoryRecord, StateRecord, TagRecord,
};
use super::requests::{BLOCK, BlockChecks, Location};
use super::row_fault::{RowFault, Wrong};
use super::rows::{Found, Rows, Scan};
use super::tables::Table;
use super::transaction::{Edge, STATE, edges};
use super::trash::{DeletedRecord, Drain, TrashItem, TrashRecord};
use super::trees::is_stray;
use super::usage::{self, Summed};
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::{Corruption, StorageError};
use crate::name::{RepositoryName, Tag};
use crate::repository::TagChange;
use std::collections::{BTreeMap, BTreeSet};

/// Where a walk over all rows goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    table: usize,
    after: Option<Vec<u8>>,
}

/// What one step of the walk saw.
#[derive(Debug, Default)]
pub(crate) struct AuditStep {
    /// How many rows were compared.
    pub(crate) rows: u64,
    /// How many were read for that.
    pub(crate) reads: u64,
    pub(crate) faults: BTreeSet<RowFault>,
    /// `None`: that was the last row of all.
    pub(crate) next: Option<Cursor>,
}

/// The rows of one step.
struct Audit<'r, R> {
    rows: &'r Counted<'r, R>,
    table: Table,
    step: AuditStep,
    /// Of the repository that was asked for last.
    names: Option<(u64, NamesOf)>,
    /// How many rows were read for those: a step makes use of them for as many.
    names_took: u64,
}

/// Looks at the next rows of one table: at least one, and no further one once `limit` were read, those
/// that they are compared with among them. The names that deleted manifests of a repository have are read
/// as a whole, and then as many rows more.
pub(super) fn step(
    rows: &impl Rows,
    cursor: &Cursor,
    limit: u64,
) -> Result<AuditStep, StorageError> {
    let Some(table) = cursor.table() else {
        return Ok(AuditStep::default());
    };
    let rows = Counted::new(rows);
    let mut audit = Audit {
        rows: &rows,
        table,
        step: AuditStep::default(),
        names: None,
        names_took: 0,
    };
    let mut last: Option<Vec<u8>> = None;
    let after = cursor.after.as_deref();
    rows.scan_any(table, &[], after, &mut |key, payload| {
        if rows.reads() > limit.saturating_add(2 * audit.names_took) && last.is_some() {
            let after = last.take();
            audit.step.next = Some(Cursor { after, ..*cursor });
            return Ok(Scan::Stop);
        }
        audit.row(key, payload)?;
        last = Some(key.to_vec());
        Ok(Scan::Next)
    })?;
    let mut step = audit.step;
    step.next = step.next.or_else(|| cursor.next_table());
    step.reads = rows.reads();
    Ok(step)
}

/// Compares what is counted over all rows: how many blobs lie in each segment, and the sums over
/// the store. `None` when `is_wanted` said that the snapshot is wanted back.
pub(super) fn sums(
    rows: &impl Rows,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<BTreeSet<RowFault>>, StorageError> {
    let Some(mut faults) = segments(rows, is_wanted)? else {
        return Ok(None);
    };
    let state = rows.undamaged::<StateRecord>(Table::Settings, STATE)?;
    match (usage::sums(rows, is_wanted)?, state) {
        (Summed::Wanted, _) => return Ok(None),
        (Summed::Sums(sums), Some(state)) if sums != state.totals => {
            faults.insert(RowFault::new(Table::Settings, STATE, Wrong::Differs));
        }
        // A row that cannot be read is a fault of its own; no sum is known then.
        (Summed::Sums(_) | Summed::Unreadable, _) => {}
    }
    Ok(Some(faults))
}

/// Compares how many blobs lie in each segment with the segments' rows; `None` when the snapshot is
/// wanted back.
fn segments(
    rows: &impl Rows,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<BTreeSet<RowFault>>, StorageError> {
    let Some(counted) = count_segments(rows, is_wanted)? else {
        return Ok(None);
    };
    let mut faults = BTreeSet::new();
    let mut seen = BTreeSet::new();
    rows.scan_any(Table::Files, &[], None, &mut |key, payload| {
        let record = payload.map(|payload| FileRecord::from_payload(Table::Files, payload));
        if let Ok(Ok(FileRecord::Segment { live })) = record {
            let (number, _) = keys::split_number(Table::Files, key)?;
            if counted.get(&number).copied().unwrap_or(0) != live {
                faults.insert(RowFault::new(Table::Files, key, Wrong::Differs));
            }
        }
        seen.insert(key.to_vec());
        Ok(Scan::Next)
    })?;
    let missing = counted.into_keys().map(keys::number);
    for key in missing.filter(|key| !seen.contains(key)) {
        faults.insert(RowFault::new(Table::Files, &key, Wrong::Missing));
    }
    Ok(Some(faults))
}

/// How many blobs lie in each segment; `None` when the snapshot is wanted back.
pub(super) fn count_segments(
    rows: &impl Rows,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<BTreeMap<u64, u64>>, StorageError> {
    let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
    let mut gave_up = false;
    rows.scan_any(Table::Blobs, &[], None, &mut |_, payload| {
        if is_wanted() {
            gave_up = true;
            return Ok(Scan::Stop);
        }
        let record = payload.map(|payload| BlobRecord::from_payload(Table::Blobs, payload));
        if let Ok(Ok(BlobRecord {
            location: Location::Segment { number, .. },
            ..
        })) = record
        {
            *counted.entry(number).or_default() += 1;
        }
        Ok(Scan::Next)
    })?;
    Ok((!gave_up).then_some(counted))
}

// === impl Cursor ===

impl Cursor {
    /// Before the first row.
    pub(crate) const START: Self = Self {
        table: 0,
        after: None,
    };

    fn table(&self) -> Option<Table> {
        Table::ALL.get(self.table).copied()
    }

    /// Behind this table, where the rest of it cannot be read.
    pub(crate) fn next_table(&self) -> Option<Self> {
        let next = Self {
            table: self.table + 1,
            after: None,
        };
        next.table().map(|_| next)
    }

    /// The table's name.
    pub(crate) fn table_name(&self) -> &'static str {
        self.table().map_or("none", Table::name)
    }
}

// === impl Audit ===

impl<R: Rows> Audit<'_, R> {
    fn row(&mut self, key: &[u8], payload: Result<&[u8], Corruption>) -> Result<(), StorageError> {
        self.step.rows += 1;
        if !is_stray(&payload) && self.rows.found(self.table, key)? == Found::Absent {
            self.fault(self.table, key, Wrong::Unreachable);
        }
        let looked = match payload {
            Ok(payload) => self.undamaged(key, payload),
            Err(corruption) => Err(corruption.into()),
        };
        match looked {
            Err(StorageError::Corrupt(corruption)) => {
                let why = match corruption {
                    Corruption::Record { why, .. } => why,
                    _ => "it does not fit",
                };
                self.fault(self.table, key, Wrong::Damaged(why));
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// A row whose checksum is right: its fields, the rows it follows from, and those it needs.
    fn undamaged(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        self.needs(key, payload)?;
        let derived = match self.table {
            Table::LinkTags => {
                let rows = self.rows;
                let names = |repository, link| self.is_name_alone(repository, link);
                link_tag(rows, key, names)?
            }
            table => derive(self.rows, table, key)?,
        };
        match derived {
            Derived::Row(expected) if expected != payload => {
                self.fault(self.table, key, Wrong::Differs);
            }
            Derived::Nothing => self.fault(self.table, key, Wrong::Surplus),
            Derived::Row(_) | Derived::Primary => {}
        }
        Ok(())
    }

    /// Decodes a row and looks for the rows that must be there beside it.
    fn needs(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let table = self.table;
        match table {
            Table::Settings => self.setting(key, payload),
            Table::RepositoryNames => {
                keys::last_text::<RepositoryName>(table, key)?;
                let record = NameRecord::from_payload(table, payload)?;
                self.need(Table::Repositories, &keys::number(record.id))
            }
            Table::Repositories => self.repository(key, payload),
            Table::Blobs => self.blob(key, payload),
            Table::BlockChecks => decoded::<BlockChecks>(table, payload),
            Table::BlobLinks => self.blob_link(key, payload),
            Table::Holders | Table::ManifestHolders => self.holder(key, payload),
            Table::Edges => self.edge(key, payload),
            Table::Counts | Table::FileRanges => decoded::<u64>(table, payload),
            Table::Manifests => self.manifest(key, payload),
            Table::ManifestLinks => self.links(key, payload),
            Table::Contents => self.content(key, payload),
            Table::Tags => self.tag(key, payload),
            Table::LinkTags => self.link_tag(key, payload),
            Table::Candidates => decoded::<CandidateRecord>(table, payload),
            Table::EndedUploads => {
                keys::split_number(table, key)?;
                decoded::<()>(table, payload)
            }
            Table::Unlinks => decoded::<Place>(table, payload),
            Table::Drains => decoded::<Drain>(table, payload),
            Table::Files => decoded::<FileRecord>(table, payload),
            Table::Trash => self.trash(key, payload),
            Table::TrashQueue => queued(key, payload),
            Table::TagHistory => {
                let (_, text) = keys::split_number(table, key)?;
                keys::last_text::<Tag>(table, text)?;
                decoded::<Vec<TagChange>>(table, payload)
            }
            Table::DeletedRepositories => self.deleted_repository(key, payload),
            Table::Pulls => {
                in_repository(table, key)?;
                decoded::<u64>(table, payload)
            }
        }
    }

    fn setting(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        use super::records::CollectorRecord;
        match key {
            super::write_collect::ORDERS => decoded::<CollectorRecord>(self.table, payload),
            STATE => decoded::<StateRecord>(self.table, payload),
            super::write_check::POSITION => {
                decoded::<super::write_check::CheckRecord>(self.table, payload)
            }
            super::pulls::PULLS_SINCE => decoded::<u64>(self.table, payload),
            _ => Ok(()),
        }
    }

    fn repository(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let record = RepositoryRecord::from_payload(self.table, payload)?;
        if record.live {
            return self.need(Table::RepositoryNames, record.name.as_str().as_bytes());
        }
        let (id, _) = keys::split_number(self.table, key)?;
        let deleted = keys::deleted_repository(&record.name, id);
        if is_draining(self.rows, id)? || is_there(self.rows, Table::DeletedRepositories, &deleted)?
        {
            return Ok(());
        }
        if queued_repository(self.rows, &record.name, id)?.is_some() {
            self.fault(Table::DeletedRepositories, &deleted, Wrong::Missing);
        } else {
            self.fault(self.table, key, Wrong::Surplus);
        }
        Ok(())
    }

    fn blob(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let record = BlobRecord::from_payload(self.table, payload)?;
        let digest = keys::last_digest(self.table, key)?;
        if record.size > BLOCK {
            self.need(Table::BlockChecks, key)?;
        }
        let (number, file) = match record.location {
            Location::File(number) => (number, Some(FileRecord::Blob(digest))),
            Location::Segment { number, .. } => (number, None),
        };
        let number = keys::number(number);
        let stored = self.rows.undamaged::<FileRecord>(Table::Files, &number)?;
        if file.is_some() && stored.is_some() && stored != file {
            self.fault(Table::Files, &number, Wrong::Differs);
        }
        self.need(Table::Files, &number)
    }

    fn blob_link(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let link = LinkRecord::from_payload(self.table, payload)?;
        let (repository, digest) = in_repository(self.table, key)?;
        self.need(Table::Holders, &keys::holder(&digest, repository))?;
        self.need(Table::Blobs, &digest.to_key())?;
        let is_kept = is_there(self.rows, Table::Counts, key)?;
        let blob = self
            .rows
            .undamaged::<BlobRecord>(Table::Blobs, &digest.to_key())?;
        let is_other_size = blob.is_some_and(|blob| blob.size != link.size);
        if is_kept == link.due.is_some() || is_other_size {
            self.fault(self.table, key, Wrong::Differs);
        }
        match link.due {
            Some(due) => self.need(
                Table::Candidates,
                &keys::candidate(due, repository, &digest),
            ),
            None => Ok(()),
        }
    }

    fn holder(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        decoded::<()>(self.table, payload)?;
        let (digest, repository) = holder(self.table, key)?;
        let held = keys::in_repository(repository, &digest);
        match self.table {
            Table::Holders => self.need(Table::BlobLinks, &held),
            _ if is_there(self.rows, Table::Trash, &held)? => Ok(()),
            _ => self.need(Table::Manifests, &held),
        }
    }

    fn edge(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        decoded::<EdgeRecord>(self.table, payload)?;
        let (repository, target, kind, _) = edge_parts(key)?;
        if kind == EdgeKind::Subject as u8 {
            return Ok(());
        }
        self.need(Table::Counts, &keys::in_repository(repository, &target))
    }

    fn manifest(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        decoded::<ManifestRecord>(self.table, payload)?;
        self.beside_manifest(key)
    }

    /// A manifest that was deleted has all that it had, and its place in the queue.
    fn trash(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let record = TrashRecord::from_payload(self.table, payload)?;
        self.need(Table::TrashQueue, &record.deletion.key())?;
        self.beside_manifest(key)
    }

    fn deleted_repository(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let record = DeletedRecord::from_payload(self.table, payload)?;
        let (_, id) = keys::split_deleted_repository(key)?;
        self.need(Table::TrashQueue, &record.deletion.key())?;
        self.need(Table::Repositories, &keys::number(id))
    }

    fn beside_manifest(&mut self, key: &[u8]) -> Result<(), StorageError> {
        let (repository, digest) = in_repository(self.table, key)?;
        self.need(Table::ManifestLinks, key)?;
        self.need(Table::ManifestHolders, &keys::holder(&digest, repository))?;
        self.need(Table::Contents, &digest.to_key())
    }

    fn links(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let links = Links::from_payload(self.table, payload)?;
        let (repository, source) = in_repository(self.table, key)?;
        let is_live = is_live(self.rows, repository, &source)?;
        if !is_manifest_there(self.rows, repository, &source)? {
            return Ok(());
        }
        // Of a manifest that was deleted no subject edge is listed.
        let needed = |edge: &Edge| is_live || edge.kind != EdgeKind::Subject;
        for edge in edges(&links).into_iter().filter(needed) {
            let key = keys::edge(repository, &edge.target, edge.kind, &source);
            self.need(Table::Edges, &key)?;
        }
        Ok(())
    }

    fn content(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let digest = keys::last_digest(self.table, key)?;
        if Digest::of(digest.algorithm(), payload) != digest {
            self.fault(self.table, key, Wrong::Damaged("it is not its digest's"));
        }
        Ok(())
    }

    fn tag(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        let record = TagRecord::from_payload(self.table, payload)?;
        let (repository, text) = keys::split_number(self.table, key)?;
        let tag = keys::last_text(self.table, text)?;
        self.need(Table::Repositories, &keys::number(repository))?;
        let reverse = keys::link_tag(repository, record.link, &tag);
        self.need(Table::LinkTags, &reverse)
    }

    fn link_tag(&mut self, key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
        decoded::<()>(self.table, payload)?;
        let (repository, rest) = keys::split_number(self.table, key)?;
        let (link, text) = keys::split_number(self.table, rest)?;
        let tag: Tag = keys::last_text(self.table, text)?;
        let tag = keys::tag(repository, tag.as_str());
        if is_there(self.rows, Table::Tags, &tag)? || self.is_name_alone(repository, link)? {
            return Ok(());
        }
        self.need(Table::Tags, &tag)
    }

    /// Whether the names of a link's tags stand in `LinkTags` alone. Read once a repository and step.
    fn is_name_alone(&mut self, repository: u64, link: u64) -> Result<bool, StorageError> {
        if self.names.as_ref().is_none_or(|(of, _)| *of != repository) {
            let before = self.rows.reads();
            self.names = Some((repository, names_without_tags(self.rows, repository)?));
            self.names_took = self.rows.reads() - before;
        }
        Ok((self.names.as_ref()).is_some_and(|(_, names)| names.has(link)))
    }

    fn need(&mut self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        if !is_there(self.rows, table, key)? {
            self.fault(table, key, Wrong::Missing);
        }
        Ok(())
    }

    fn fault(&mut self, table: Table, key: &[u8], wrong: Wrong) {
        self.step.faults.insert(RowFault::new(table, key, wrong));
    }
}

/// A row of the queue of deletions. That what it leads to is gone, or was deleted anew, is no fault.
fn queued(key: &[u8], payload: &[u8]) -> Result<(), StorageError> {
    let table = Table::TrashQueue;
    let (_, number) = keys::split_number(table, key)?;
    let (_, []) = keys::split_number(table, number)? else {
        return Err(keys::malformed(table).into());
    };
    decoded::<TrashItem>(table, payload)
}

fn decoded<T: Record>(table: Table, payload: &[u8]) -> Result<(), StorageError> {
    T::from_payload(table, payload)?;
    Ok(())
}

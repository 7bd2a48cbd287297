//! [`Transaction`]: the only writer of rows, and the only place that changes a link count.
//! Places are in `places`.
//!
//! Invariants, after every request:
//! 1. `Counts` of (repository, target) is the number of keeping edges in `Edges` that lead there.
//! 2. A row in `BlobLinks` has a due time exactly while that count is zero, and exactly then
//!    `Candidates` has the row with that time.
//! 3. `Holders` is the reverse of `BlobLinks`; a row in `Blobs` exists exactly while the digest has
//!    a holder. The same for `ManifestHolders`, `Manifests` and `Contents`.
//! 4. `Files` says the digest or segment for exactly the places that `Blobs` names. A place leaves
//!    `Blobs` only together with a new row in `Unlinks`.
//! 5. `LinkTags` is the reverse of `Tags`, and has the tags that manifests in `Trash` had.
//! 6. `StateRecord::totals` are the sums over `BlobLinks`, `Blobs` and `Unlinks`, and how many rows
//!    `Blobs` and `Manifests` have.
//!
//! A request checks everything before its first write: `dirty` tells whether it wrote already, and
//! a request that fails when it did takes its whole batch with it.

use super::codec::Record;
use super::journal::Changes;
use super::keys;
use super::records::{
    BlobRecord, CandidateRecord, EdgeKind, EdgeRecord, LinkRecord, NameRecord, RepositoryRecord,
    StateRecord,
};
use super::requests::Location;
use super::rows::{Found, Rows, VisitAny, failed, payload_of, scan_of};
use super::tables::Table;
use super::trash::Undo;
use super::trees::{Arrangement, Removed, Tree, Trees};
use crate::clock::EngineTime;
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::RepositoryName;
use redb::WriteTransaction;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The rows of one batch in the making.
pub(super) struct Transaction<'t> {
    trees: Trees<'t>,
    /// All that is changed in them.
    changes: Changes,
    /// Written when the batch is complete.
    pub(super) state: StateRecord,
    /// The moment of the batch.
    pub(super) now: Moment,
    /// Where the small content of the request at hand was put, if it brought any.
    pub(super) placed: Option<Location>,
    /// The request at hand has written.
    pub(super) dirty: bool,
    /// Why a row could not be written: nothing of the batch was committed then.
    pub(super) failure: Option<StorageError>,
    /// Rows that were put or removed.
    pub(super) rows: usize,
    /// Of those, the removed ones.
    pub(super) removed: usize,
    /// There is work for the collector now.
    pub(super) kick: bool,
    /// More was changed than rows, which are all that a journal has.
    pub(super) needs_file: bool,
}

/// The time of a batch, and the times that follow from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: EngineTime,
    /// Milliseconds since the epoch, for people to read.
    pub(super) wall: u64,
    /// How long a blob without keeping edges stays.
    pub(super) stay: Stay,
    /// How much of a deletion can be undone.
    pub(super) undo: Undo,
}

/// How long a blob stays that nothing keeps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stay {
    /// After it lost its last keeping edge.
    pub(super) grace: Duration,
    /// After a client may have been told of it; that a blob is linked is told without a trace, so
    /// the loss of the last edge counts as being told.
    pub(super) lease: Duration,
}

/// One edge of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) kind: EdgeKind,
    pub(super) target: Digest,
}

// === impl Transaction ===

impl<'t> Transaction<'t> {
    pub(super) fn new(writer: &'t WriteTransaction, now: Moment) -> Result<Self, StorageError> {
        let trees = Trees::open(writer, Arrangement::Shared);
        let mut transaction = Self {
            trees: trees.map_err(|error| failed(&error))?,
            changes: Changes::default(),
            state: StateRecord::default(),
            now,
            placed: None,
            dirty: false,
            failure: None,
            rows: 0,
            removed: 0,
            kick: false,
            needs_file: false,
        };
        let state = transaction.record::<StateRecord>(Table::Settings, STATE)?;
        transaction.state = state.unwrap_or_default();
        Ok(transaction)
    }

    /// Writes what every commit writes.
    pub(super) fn seal(&mut self) -> Result<(), StorageError> {
        self.state.time = self.now.time.max(self.state.time);
        // A number of its own for every commit: after a failure it tells which one is there.
        self.state.sequence += 1;
        let state = self.state.clone();
        self.put(Table::Settings, STATE, &state)
    }

    /// All that was changed, for the journal.
    pub(super) fn into_changes(self) -> Changes {
        self.changes
    }

    pub(super) fn put(
        &mut self,
        table: Table,
        key: &[u8],
        record: &impl Record,
    ) -> Result<(), StorageError> {
        self.put_payload(table, key, &record.to_payload())
    }

    pub(super) fn put_payload(
        &mut self,
        table: Table,
        key: &[u8],
        payload: &[u8],
    ) -> Result<(), StorageError> {
        self.put_sealed(table, key, &table.seal(key, payload))
    }

    /// Puts a value as it is stored.
    pub(super) fn put_sealed(
        &mut self,
        table: Table,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<(), StorageError> {
        self.dirty = true;
        self.rows += 1;
        self.changes.put(table, key, sealed);
        let is_new = self.trees.put(table, key, sealed);
        if is_new.map_err(|error| self.noted(&error))? {
            self.count(table, 1);
        }
        Ok(())
    }

    /// Removes a row. Where there is none, nothing has changed: that takes no place in the journal.
    pub(super) fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        self.dirty = true;
        let removed = self.trees.remove(table, key);
        match removed.map_err(|error| self.noted(&error))? {
            Removed::Nothing => return Ok(()),
            Removed::Stray => {}
            Removed::Row => self.count(table, -1),
        }
        self.rows += 1;
        self.removed += 1;
        self.changes.remove(table, key);
        Ok(())
    }

    /// Writes a tree anew, with the same rows.
    pub(super) fn write_anew(&mut self, tree: Tree) -> Result<(), StorageError> {
        (self.dirty, self.needs_file) = (true, true);
        let written = self.trees.write_anew(tree);
        written.map_err(|error| self.noted(&error))
    }

    /// What is stored, as it is.
    pub(super) fn stored(&self) -> &Trees<'t> {
        &self.trees
    }

    /// Counts the rows of tables whose number people ask for and no tree knows (invariant 6).
    pub(super) fn count(&mut self, table: Table, change: i64) {
        let totals = &mut self.state.totals;
        let total = match table {
            Table::Blobs => &mut totals.blobs,
            Table::Manifests => &mut totals.manifests,
            _ => return,
        };
        *total = total.saturating_add_signed(change);
    }

    fn noted(&mut self, error: &redb::Error) -> StorageError {
        self.failure.insert(failed(error)).clone()
    }

    /// A number no other row has.
    pub(super) fn next(&mut self) -> u64 {
        self.state.sequence += 1;
        self.state.sequence
    }

    /// Puts work into a queue of the collector.
    pub(super) fn enqueue(&mut self, queue: Table, work: &impl Record) -> Result<(), StorageError> {
        let key = keys::number(self.next());
        self.kick = true;
        self.put(queue, &key, work)
    }

    // --- repositories ---

    /// The repository of this name, made if there is none.
    pub(super) fn repository(&mut self, name: &RepositoryName) -> Result<u64, StorageError> {
        let key = name.as_str().as_bytes();
        if let Some(id) = self.healed_repository(name)? {
            return Ok(id);
        }
        let (id, declared) = (self.next(), false);
        self.put(Table::RepositoryNames, key, &NameRecord { id, declared })?;
        let (name, live) = (name.clone(), true);
        let record = RepositoryRecord { name, live };
        self.put(Table::Repositories, &keys::number(id), &record)?;
        Ok(id)
    }

    // --- edges and counts (invariant 1) ---

    /// Adds the edges of a manifest.
    pub(super) fn add_edges(
        &mut self,
        repository: u64,
        source: &Digest,
        links: &Links,
    ) -> Result<(), StorageError> {
        for edge in edges(links) {
            if edge.kind != EdgeKind::Subject {
                let key = keys::edge(repository, &edge.target, edge.kind, source);
                let artifact_type = None;
                self.put(Table::Edges, &key, &EdgeRecord { artifact_type })?;
                self.change_count(repository, &edge.target, 1)?;
            }
        }
        self.add_subject_edge(repository, source, links)
    }

    /// Adds the subject edge of a manifest, if it has a subject.
    pub(super) fn add_subject_edge(
        &mut self,
        repository: u64,
        source: &Digest,
        links: &Links,
    ) -> Result<(), StorageError> {
        let artifact_type = links.artifact_type.clone();
        match subject_edge(repository, source, links) {
            Some(key) => self.put(Table::Edges, &key, &EdgeRecord { artifact_type }),
            None => Ok(()),
        }
    }

    /// Removes the subject edge of a manifest: its other edges go on keeping.
    pub(super) fn remove_subject_edge(
        &mut self,
        repository: u64,
        source: &Digest,
        links: &Links,
    ) -> Result<(), StorageError> {
        match subject_edge(repository, source, links) {
            Some(key) => self.remove(Table::Edges, &key),
            None => Ok(()),
        }
    }

    /// Removes the edges of a manifest.
    pub(super) fn remove_edges(
        &mut self,
        repository: u64,
        source: &Digest,
        links: &Links,
    ) -> Result<(), StorageError> {
        for edge in edges(links) {
            let key = keys::edge(repository, &edge.target, edge.kind, source);
            self.remove(Table::Edges, &key)?;
            if edge.kind != EdgeKind::Subject {
                self.change_count(repository, &edge.target, -1)?;
            }
        }
        Ok(())
    }

    /// The one place a count changes, together with what follows from it (invariants 1 and 2).
    fn change_count(
        &mut self,
        repository: u64,
        target: &Digest,
        change: i64,
    ) -> Result<(), StorageError> {
        let key = keys::in_repository(repository, target);
        let count = match self.found(Table::Counts, &key)? {
            Found::Damaged(_) => None,
            Found::Absent => 0_u64.checked_add_signed(change),
            Found::Payload(payload) => {
                u64::from_payload(Table::Counts, &payload)?.checked_add_signed(change)
            }
        };
        match count {
            Some(count) => self.set_count(repository, target, count),
            // The row is lost; the edge itself is there or gone already, so counting tells.
            None => self.settle(repository, target),
        }
    }

    /// Sets a count, and what follows from it (invariants 1 and 2).
    pub(super) fn set_count(
        &mut self,
        repository: u64,
        target: &Digest,
        count: u64,
    ) -> Result<(), StorageError> {
        let key = keys::in_repository(repository, target);
        if count == 0 {
            self.remove(Table::Counts, &key)?;
        } else {
            self.put(Table::Counts, &key, &count)?;
        }
        match self.undamaged::<LinkRecord>(Table::BlobLinks, &key)? {
            Some(link) if (count == 0) != link.due.is_some() => {
                self.set_due(repository, target, &link, count == 0)
            }
            _ => Ok(()),
        }
    }

    // --- blob links (invariants 2 and 3) ---

    /// Makes a repository hold a blob whose record exists, or renews its grace.
    pub(super) fn link_blob(
        &mut self,
        repository: u64,
        digest: &Digest,
        size: u64,
    ) -> Result<(), StorageError> {
        let kept = self.kept(repository, digest)?;
        let link = self.healed_link(repository, digest, size)?;
        self.heal_marker(Table::Holders, &keys::holder(digest, repository))?;
        if link.is_none() {
            add(&mut self.state.totals.logical, size);
        }
        match link {
            Some(LinkRecord { due: None, .. }) if kept => Ok(()),
            link => {
                let link = link.unwrap_or(LinkRecord { size, due: None });
                self.set_due(repository, digest, &link, !kept)
            }
        }
    }

    /// Whether keeping edges lead to a target; a count that is damaged is counted anew.
    fn kept(&mut self, repository: u64, target: &Digest) -> Result<bool, StorageError> {
        let key = keys::in_repository(repository, target);
        if matches!(self.found(Table::Counts, &key)?, Found::Damaged(_)) {
            self.settle(repository, target)?;
        }
        Ok(self.record::<u64>(Table::Counts, &key)?.is_some())
    }

    /// Takes a blob out of a repository that holds it, and out of the store with its last holder.
    /// Returns the bytes that come back.
    pub(super) fn unlink_blob(
        &mut self,
        repository: u64,
        digest: &Digest,
        link: &LinkRecord,
    ) -> Result<Option<u64>, StorageError> {
        if let Some(due) = link.due {
            self.remove(Table::Candidates, &keys::candidate(due, repository, digest))?;
            take(&mut self.state.totals.garbage, link.size);
        }
        take(&mut self.state.totals.logical, link.size);
        self.remove(Table::BlobLinks, &keys::in_repository(repository, digest))?;
        self.remove(Table::Holders, &keys::holder(digest, repository))?;
        if self.any_row(Table::Holders, &digest.to_key())? {
            return Ok(None);
        }
        let key = digest.to_key();
        let record: BlobRecord = self.needed(Table::Blobs, &key, "its holder")?;
        self.remove(Table::Blobs, &key)?;
        self.remove(Table::BlockChecks, &key)?;
        take(&mut self.state.totals.stored, record.size);
        self.abandon(record.location, record.size)?;
        Ok(Some(record.size))
    }

    /// Replaces the link's due time: counted from now, or none.
    fn set_due(
        &mut self,
        repository: u64,
        digest: &Digest,
        link: &LinkRecord,
        candidate: bool,
    ) -> Result<(), StorageError> {
        if let Some(due) = link.due {
            self.remove(Table::Candidates, &keys::candidate(due, repository, digest))?;
            take(&mut self.state.totals.garbage, link.size);
        }
        let Moment { time, stay, .. } = self.now;
        let (since, leased) = (time, time.after(stay.lease));
        let due = candidate.then(|| since.after(stay.grace).max(leased));
        if let Some(due) = due {
            let key = keys::candidate(due, repository, digest);
            self.put(Table::Candidates, &key, &CandidateRecord { since, leased })?;
            add(&mut self.state.totals.garbage, link.size);
        }
        let key = keys::in_repository(repository, digest);
        let size = link.size;
        self.put(Table::BlobLinks, &key, &LinkRecord { size, due })
    }
}

#[cfg(test)]
impl<'t> Transaction<'t> {
    /// What is stored, for tests that damage it.
    pub(super) fn raw(&mut self) -> &mut Trees<'t> {
        &mut self.trees
    }
}

impl Rows for Transaction<'_> {
    fn payload(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let (tree, rows) = self.trees.of(table);
        payload_of(rows, (tree, table), key)
    }

    fn scan_any(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut VisitAny<'_>,
    ) -> Result<(), StorageError> {
        let (tree, rows) = self.trees.of(table);
        scan_of(rows, (tree, table), (prefix, after), visit)
    }
}

/// The row of [`StateRecord`] in `Settings`.
pub(super) const STATE: &[u8] = b"state";

/// How many keeping edges to each target the removal of a manifest takes away.
pub(super) fn kept_by(links: &Links) -> BTreeMap<Digest, u64> {
    let mut kept = BTreeMap::new();
    for edge in edges(links) {
        if edge.kind != EdgeKind::Subject {
            *kept.entry(edge.target).or_insert(0) += 1;
        }
    }
    kept
}

/// Changes a sum. It cannot overflow while it is right, and the audit tells when it is not.
pub(super) fn add(total: &mut u64, by: u64) {
    *total = total.saturating_add(by);
}

pub(super) fn take(total: &mut u64, by: u64) {
    *total = total.saturating_sub(by);
}

/// The key of a manifest's edge to its subject.
fn subject_edge(repository: u64, source: &Digest, links: &Links) -> Option<Vec<u8>> {
    let subject = links.subject.as_ref()?;
    Some(keys::edge(repository, subject, EdgeKind::Subject, source))
}

/// The edges of a manifest, each once.
pub(super) fn edges(links: &Links) -> BTreeSet<Edge> {
    let each = |kind, targets: &[Digest]| -> Vec<Edge> {
        targets
            .iter()
            .map(|&target| Edge { kind, target })
            .collect()
    };
    let mut edges = BTreeSet::new();
    edges.extend(each(EdgeKind::Config, links.config.as_slice()));
    edges.extend(each(EdgeKind::Layer, &links.layers));
    edges.extend(each(EdgeKind::ForeignLayer, &links.foreign_layers));
    edges.extend(each(EdgeKind::Manifest, &links.manifests));
    edges.extend(each(EdgeKind::Subject, links.subject.as_slice()));
    edges
}

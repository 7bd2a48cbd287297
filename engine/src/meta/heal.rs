//! Rows written anew from the rows they follow from: by a push of what they are about, and by a
//! check that repairs.
//!
//! Invariants:
//! 1. Nothing is given up for a row that cannot be read: what keeps content counts as keeping it.
//! 2. What is written is computed in the transaction that writes it, never taken from an earlier
//!    report.

use super::audit::count_segments;
use super::codec::Record;
use super::derive::{
    Derived, derive, edge_parts, edge_record, in_repository, is_there, keeping_edges,
};
use super::derive_deleted::names_without_tags;
use super::keys;
use super::records::{
    BlobRecord, FileRecord, LinkRecord, NameRecord, Place, RepositoryRecord, TagRecord,
};
use super::requests::{BlockChecks, Location};
use super::rows::{Found, Rows, Scan};
use super::tables::Table;
use super::transaction::{STATE, Transaction, edges, take};
use super::trash::Drain;
use super::usage::{self, Summed};
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{RepositoryName, Tag};

/// What came of a row that a check found fault with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mended {
    /// It is right now.
    Rewritten,
    /// It is gone: nothing needs it.
    Removed,
    /// Only a push, or a backup, has what it said.
    Left,
    /// It was right already.
    Fine,
}

// === impl Transaction: what a push heals ===

impl Transaction<'_> {
    /// The repository a name stands for, by its record or, if that is damaged, by the repository's
    /// own; both rows are readable afterwards.
    pub(super) fn healed_repository(
        &mut self,
        name: &RepositoryName,
    ) -> Result<Option<u64>, StorageError> {
        let key = name.as_str().as_bytes();
        if self.found(Table::RepositoryNames, key)? == Found::Absent {
            return Ok(None);
        }
        if self
            .undamaged::<NameRecord>(Table::RepositoryNames, key)?
            .is_none()
        {
            self.mend(Table::RepositoryNames, key)?;
        }
        let Some(record) = self.record::<NameRecord>(Table::RepositoryNames, key)? else {
            return Ok(None);
        };
        let id = keys::number(record.id);
        if self
            .undamaged::<RepositoryRecord>(Table::Repositories, &id)?
            .is_none()
        {
            let (name, live) = (name.clone(), true);
            self.put(Table::Repositories, &id, &RepositoryRecord { name, live })?;
        }
        Ok(Some(record.id))
    }

    /// A link to a blob of that size. One that is damaged is written anew, without a due time, and
    /// leaves no row in `Candidates` behind.
    pub(super) fn healed_link(
        &mut self,
        repository: u64,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<LinkRecord>, StorageError> {
        let key = keys::in_repository(repository, digest);
        let link = self.undamaged::<LinkRecord>(Table::BlobLinks, &key)?;
        if link.is_some() || !is_there(self, Table::BlobLinks, &key)? {
            return Ok(link);
        }
        let forgotten = self.forget_candidates(&key)?;
        take(
            &mut self.state.totals.garbage,
            size.saturating_mul(forgotten),
        );
        let link = LinkRecord { size, due: None };
        self.put(Table::BlobLinks, &key, &link)?;
        Ok(Some(link))
    }

    /// The rows beside the record of a blob whose stored copy stays: a push of the same content
    /// brings its checksums again.
    pub(super) fn heal_blob(
        &mut self,
        digest: &Digest,
        record: &BlobRecord,
        checks: Option<&BlockChecks>,
    ) -> Result<(), StorageError> {
        let key = digest.to_key();
        if let Some(checks) = checks {
            let stored = self.undamaged::<BlockChecks>(Table::BlockChecks, &key)?;
            if stored.is_none() {
                self.put(Table::BlockChecks, &key, checks)?;
            }
        }
        if let Location::File(number) = record.location {
            let (file, number) = (FileRecord::Blob(*digest), keys::number(number));
            let stored = self.undamaged::<FileRecord>(Table::Files, &number)?;
            if stored.as_ref() != Some(&file) {
                self.put(Table::Files, &number, &file)?;
            }
        }
        Ok(())
    }

    /// The rows beside a manifest's record that is stored: links, reverse, edges and their counts.
    /// Writes only what is missing or damaged.
    pub(super) fn heal_manifest(
        &mut self,
        repository: u64,
        digest: &Digest,
        links: &Links,
    ) -> Result<(), StorageError> {
        let key = keys::in_repository(repository, digest);
        let stored = self.undamaged::<Links>(Table::ManifestLinks, &key)?;
        if stored.is_none() {
            self.put(Table::ManifestLinks, &key, links)?;
        }
        let links = stored.as_ref().unwrap_or(links);
        self.heal_marker(Table::ManifestHolders, &keys::holder(digest, repository))?;
        for edge in edges(links) {
            let key = keys::edge(repository, &edge.target, edge.kind, digest);
            let record = edge_record(edge.kind, links);
            let expected = Found::Payload(record.to_payload());
            let was_whole = self.found(Table::Edges, &key)? == expected;
            if !was_whole {
                self.put(Table::Edges, &key, &record)?;
            }
            let count = keys::in_repository(repository, &edge.target);
            let is_counted = self.undamaged::<u64>(Table::Counts, &count)?.is_some();
            if !was_whole || !is_counted {
                self.settle(repository, &edge.target)?;
            }
        }
        Ok(())
    }

    /// Removes the edges of a manifest whose links are damaged, as a push of it names them.
    pub(super) fn forget_edges(
        &mut self,
        repository: u64,
        digest: &Digest,
        links: &Links,
    ) -> Result<(), StorageError> {
        for edge in edges(links) {
            let key = keys::edge(repository, &edge.target, edge.kind, digest);
            self.remove(Table::Edges, &key)?;
            self.settle(repository, &edge.target)?;
        }
        Ok(())
    }

    /// The id of a link whose manifest's record is damaged: the newest that a tag of it has.
    pub(super) fn lost_link(
        &self,
        repository: u64,
        digest: &Digest,
    ) -> Result<Option<u64>, StorageError> {
        let mut link = None;
        let prefix = keys::number(repository);
        self.scan_any(Table::Tags, &prefix, None, &mut |_, payload| {
            let tag = payload.map(|payload| TagRecord::from_payload(Table::Tags, payload));
            if let Ok(Ok(tag)) = tag
                && tag.digest == *digest
            {
                link = link.max(Some(tag.link));
            }
            Ok(Scan::Next)
        })?;
        Ok(link)
    }

    /// Removes the reverse rows of a tag whose own row is damaged, but not the names that deleted
    /// manifests have.
    pub(super) fn forget_link_tags(
        &mut self,
        repository: u64,
        tag: &Tag,
    ) -> Result<(), StorageError> {
        let mut lost = Vec::new();
        let prefix = keys::number(repository);
        let deleted = names_without_tags(self, repository)?;
        self.scan_any(Table::LinkTags, &prefix, None, &mut |key, _| {
            let (_, rest) = keys::split_number(Table::LinkTags, key)?;
            let (link, text) = keys::split_number(Table::LinkTags, rest)?;
            if text == tag.as_str().as_bytes() && !deleted.has(link) {
                lost.push(key.to_vec());
            }
            Ok(Scan::Next)
        })?;
        (lost.iter()).try_for_each(|key| self.remove(Table::LinkTags, key))
    }

    pub(super) fn heal_marker(&mut self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        match self.found(table, key)? {
            Found::Payload(_) => Ok(()),
            Found::Absent | Found::Damaged(_) => self.put(table, key, &()),
        }
    }

    // --- counts ---

    /// Counts the edges to a target anew, and what follows from the count.
    pub(super) fn settle(&mut self, repository: u64, target: &Digest) -> Result<(), StorageError> {
        let count = keeping_edges(self, repository, target)?;
        self.set_count(repository, target, count)
    }

    /// Removes the candidates of a link; answers how many there were.
    fn forget_candidates(&mut self, link: &[u8]) -> Result<u64, StorageError> {
        let mut lost = Vec::new();
        self.scan_any(Table::Candidates, &[], None, &mut |key, _| {
            if key.get(8..) == Some(link) {
                lost.push(key.to_vec());
            }
            Ok(Scan::Next)
        })?;
        (lost.iter()).try_for_each(|key| self.remove(Table::Candidates, key))?;
        Ok(lost.len() as u64)
    }
}

// === impl Transaction: what a repair mends ===

impl Transaction<'_> {
    /// Makes one row what it must be.
    pub(super) fn mend(&mut self, table: Table, key: &[u8]) -> Result<Mended, StorageError> {
        if let Some(mended) = self.mend_stray(table, key)? {
            return Ok(mended);
        }
        match table {
            Table::BlobLinks => self.mend_link(key),
            Table::Settings if key == STATE => self.mend_totals(),
            Table::Blobs => self.mend_blob(key),
            Table::Files => self.mend_file(key),
            Table::Repositories => self.mend_repository(key),
            Table::Edges => self.mend_edge(key),
            Table::Counts => self.mend_count(key),
            Table::Unlinks => self.remove_damaged(table, key),
            Table::Drains => self.mend_drain(key),
            Table::Trash => self.mend_trash(key),
            Table::EndedUploads => self.mend_ended(key),
            Table::TrashQueue => self.mend_queue(key),
            Table::Pulls => self.mend_pull(key),
            Table::FileRanges => self.mend_range(key),
            _ => self.mend_derived(table, key),
        }
    }

    pub(super) fn mend_derived(
        &mut self,
        table: Table,
        key: &[u8],
    ) -> Result<Mended, StorageError> {
        match derive(self, table, key)? {
            Derived::Row(payload) => self.rewrite(table, key, &payload),
            Derived::Nothing => self.discard(table, key),
            Derived::Primary => match self.found(table, key)? {
                Found::Payload(_) => Ok(Mended::Fine),
                Found::Absent | Found::Damaged(_) => Ok(Mended::Left),
            },
        }
    }

    pub(super) fn rewrite(
        &mut self,
        table: Table,
        key: &[u8],
        payload: &[u8],
    ) -> Result<Mended, StorageError> {
        if self.found(table, key)? == Found::Payload(payload.to_vec()) {
            return Ok(Mended::Fine);
        }
        self.put_payload(table, key, payload)?;
        Ok(Mended::Rewritten)
    }

    fn discard(&mut self, table: Table, key: &[u8]) -> Result<Mended, StorageError> {
        if !is_there(self, table, key)? {
            return Ok(Mended::Fine);
        }
        self.remove(table, key)?;
        Ok(Mended::Removed)
    }

    pub(super) fn remove_damaged(
        &mut self,
        table: Table,
        key: &[u8],
    ) -> Result<Mended, StorageError> {
        let is_whole = match table {
            Table::Unlinks => self.undamaged::<Place>(table, key)?.is_some(),
            _ => self.undamaged::<Drain>(table, key)?.is_some(),
        };
        if is_whole {
            return Ok(Mended::Fine);
        }
        self.discard(table, key)
    }

    fn mend_ended(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        if key.len() == 24 {
            return self.rewrite(Table::EndedUploads, key, &().to_payload());
        }
        self.discard(Table::EndedUploads, key)
    }

    /// A range ends where it would have been reserved to, or where numbers end.
    fn mend_range(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let table = Table::FileRanges;
        let Ok((start, [])) = keys::split_number(table, key) else {
            return self.discard(table, key);
        };
        if self.undamaged::<u64>(table, key)?.is_some() {
            return Ok(Mended::Fine);
        }
        let end = start.saturating_add(super::file_numbers::RESERVE);
        let end = end.min(self.state.files.max(start));
        self.rewrite(table, key, &end.to_payload())
    }

    /// An edge, and the count that follows from it.
    fn mend_edge(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let mended = self.mend_derived(Table::Edges, key)?;
        if let Ok((repository, target, ..)) = edge_parts(key)
            && matches!(mended, Mended::Rewritten | Mended::Removed)
        {
            self.settle(repository, &target)?;
        }
        Ok(mended)
    }

    fn mend_count(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let Ok((repository, target)) = in_repository(Table::Counts, key) else {
            return self.discard(Table::Counts, key);
        };
        let before = self.found(Table::Counts, key)?;
        self.settle(repository, &target)?;
        let after = self.found(Table::Counts, key)?;
        Ok(match after {
            after if after == before => Mended::Fine,
            Found::Absent => Mended::Removed,
            _ => Mended::Rewritten,
        })
    }

    /// A link follows from its reverse, and its due time from the count.
    fn mend_link(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let table = Table::BlobLinks;
        let Ok((repository, digest)) = in_repository(table, key) else {
            return self.discard(table, key);
        };
        let before = self.found(table, key)?;
        let whole = self.undamaged::<LinkRecord>(table, key)?;
        let holder = keys::holder(&digest, repository);
        if whole.is_none() && !is_there(self, Table::Holders, &holder)? {
            return self.discard(table, key);
        }
        let blob = self.undamaged::<BlobRecord>(Table::Blobs, &digest.to_key())?;
        let size = blob.map(|blob| blob.size).or(whole.map(|link| link.size));
        let Some(size) = size else {
            // How large it is comes back with a push.
            return Ok(Mended::Left);
        };
        let link = self.healed_link(repository, &digest, size)?;
        let due = link.and_then(|link| link.due);
        self.put(table, key, &LinkRecord { size, due })?;
        self.settle(repository, &digest)?;
        let is_same = self.found(table, key)? == before;
        Ok(if is_same {
            Mended::Fine
        } else {
            Mended::Rewritten
        })
    }

    fn mend_blob(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let table = Table::Blobs;
        if derive(self, table, key)? == Derived::Nothing {
            if let Some(record) = self.undamaged::<BlobRecord>(table, key)? {
                take(&mut self.state.totals.stored, record.size);
                self.abandon(record.location, record.size)?;
            }
            return self.discard(table, key);
        }
        let is_whole = self.undamaged::<BlobRecord>(table, key)?.is_some();
        Ok(if is_whole { Mended::Fine } else { Mended::Left })
    }

    /// The sums over the store follow from all rows.
    fn mend_totals(&mut self) -> Result<Mended, StorageError> {
        let Summed::Sums(sums) = usage::sums(self, &|| false)? else {
            return Ok(Mended::Left);
        };
        if self.state.totals == sums {
            return Ok(Mended::Fine);
        }
        self.state.totals = sums;
        self.dirty = true;
        Ok(Mended::Rewritten)
    }

    /// Whose bytes a file holds follows from all blobs' records.
    fn mend_file(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let table = Table::Files;
        let Ok((number, [])) = keys::split_number(table, key) else {
            return self.discard(table, key);
        };
        let location = Location::File(number);
        if let Some(digest) = self.blob_in_file(number)? {
            return self.rewrite(table, key, &FileRecord::Blob(digest).to_payload());
        }
        let counted = count_segments(self, &|| false)?.unwrap_or_default();
        let live = counted.get(&number).copied().unwrap_or(0);
        match self.undamaged::<FileRecord>(table, key)? {
            Some(FileRecord::Blob(_)) if live == 0 => {
                if derive(self, table, key)? == Derived::Primary {
                    // The blob's own row is damaged: its file stays for whoever can use it.
                    return Ok(Mended::Left);
                }
                let place = Place {
                    location,
                    size: 0,
                    whole_segment: false,
                };
                self.free(&place)?;
                self.discard(table, key)
            }
            None if live == 0 => self.discard(table, key),
            _ => self.rewrite(table, key, &FileRecord::Segment { live }.to_payload()),
        }
    }

    /// The blob whose record says it lies in this file.
    fn blob_in_file(&self, number: u64) -> Result<Option<Digest>, StorageError> {
        let mut found = None;
        self.scan_any(Table::Blobs, &[], None, &mut |key, payload| {
            let record = payload.map(|payload| BlobRecord::from_payload(Table::Blobs, payload));
            if matches!(record, Ok(Ok(record)) if record.location == Location::File(number)) {
                found = Some(keys::last_digest(Table::Blobs, key)?);
                return Ok(Scan::Stop);
            }
            Ok(Scan::Next)
        })?;
        Ok(found)
    }
}

//! The audit: recomputes what the invariants of `transaction` say and compares it with the rows.
//!
//! It reads one snapshot as a whole, in time and memory in proportion to the store; it changes
//! nothing. Tests run it after every sequence of operations.

use super::codec::Record;
use super::keys;
use super::records::{
    BlobRecord, FileRecord, LinkRecord, ManifestRecord, RepositoryRecord, TagRecord,
};
use super::requests::Location;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::trash::{DeletedRecord, Drain, TrashItem, TrashRecord};
use crate::digest::Digest;
use crate::fault::StorageError;
#[cfg(any(test, feature = "test-util"))]
use crate::layout::FileKind;
use std::collections::{BTreeMap, BTreeSet};

/// The rows of one audit, as they are and as they should be.
struct Audit<'r, R> {
    rows: &'r R,
    violations: Vec<String>,
}

/// Compares the rows with one another; answers what does not fit, in words.
pub(super) fn audit(rows: &impl Rows) -> Result<Vec<String>, StorageError> {
    let mut audit = Audit {
        rows,
        violations: Vec::new(),
    };
    audit.counts()?;
    audit.blob_links()?;
    audit.blobs()?;
    audit.manifests()?;
    audit.tags()?;
    audit.trash()?;
    Ok(audit.violations)
}

/// The files in which blobs lie.
#[cfg(any(test, feature = "test-util"))]
pub(super) fn recorded_files(rows: &impl Rows) -> Result<Vec<(FileKind, u64)>, StorageError> {
    let mut files = Vec::new();
    rows.scan(Table::Files, &[], None, &mut |key, payload| {
        let (number, _) = keys::split_number(Table::Files, key)?;
        match FileRecord::from_payload(Table::Files, payload)? {
            FileRecord::Blob(_) => files.push((FileKind::Blob, number)),
            FileRecord::Segment { live: 0 } => {}
            FileRecord::Segment { .. } => files.push((FileKind::Segment, number)),
        }
        Ok(Scan::Next)
    })?;
    Ok(files)
}

// === impl Audit ===

impl<R: Rows> Audit<'_, R> {
    /// Invariant 1: counts are the numbers of keeping edges, and edges those of the manifests.
    fn counts(&mut self) -> Result<(), StorageError> {
        const SUBJECT: u8 = super::records::EdgeKind::Subject as u8;
        let mut counted: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for key in self.keys(Table::Edges)? {
            let (_, rest) = keys::split_number(Table::Edges, &key)?;
            let (target, rest) = Digest::split_key(rest).ok_or_else(malformed)?;
            let (&kind, _) = rest.split_first().ok_or_else(malformed)?;
            if kind != SUBJECT {
                let target = key.get(..8 + target.to_key().len()).unwrap_or_default();
                *counted.entry(target.to_vec()).or_default() += 1;
            }
        }
        let stored: BTreeMap<Vec<u8>, u64> = self.records(Table::Counts)?.into_iter().collect();
        self.compare("counts", &counted, &stored);
        Ok(())
    }

    /// Invariants 2 and 3: due times, candidates and holders follow from links and counts.
    fn blob_links(&mut self) -> Result<(), StorageError> {
        let (mut candidates, mut holders) = (BTreeSet::new(), BTreeSet::new());
        for (key, link) in self.records::<LinkRecord>(Table::BlobLinks)? {
            let (repository, rest) = keys::split_number(Table::BlobLinks, &key)?;
            let digest = keys::last_digest(Table::BlobLinks, rest)?;
            holders.insert(keys::holder(&digest, repository));
            let kept = self.rows.payload(Table::Counts, &key)?.is_some();
            if kept == link.due.is_some() {
                self.violations
                    .push(format!("{digest} is kept: {kept}, due: {:?}", link.due));
            }
            if let Some(due) = link.due {
                candidates.insert(keys::candidate(due, repository, &digest));
            }
        }
        self.same_keys(Table::Candidates, &candidates)?;
        self.same_keys(Table::Holders, &holders)
    }

    /// Invariants 3 and 4: blobs are those with holders; files are those of the blobs.
    fn blobs(&mut self) -> Result<(), StorageError> {
        let mut held = BTreeSet::new();
        for key in self.keys(Table::Holders)? {
            held.insert(Digest::split_key(&key).ok_or_else(malformed)?.0.to_key());
        }
        self.same_keys(Table::Blobs, &held)?;
        let mut files: BTreeMap<Vec<u8>, FileRecord> = BTreeMap::new();
        let mut segments: BTreeMap<u64, u64> = BTreeMap::new();
        for (key, record) in self.records::<BlobRecord>(Table::Blobs)? {
            let digest = keys::last_digest(Table::Blobs, &key)?;
            let (number, file) = match record.location {
                Location::File(number) => (number, FileRecord::Blob(digest)),
                Location::Segment { number, .. } => {
                    let live = segments.entry(number).or_insert(0);
                    *live += 1;
                    (number, FileRecord::Segment { live: *live })
                }
            };
            files.insert(keys::number(number), file);
        }
        let mut stored: BTreeMap<_, FileRecord> = self.records(Table::Files)?.into_iter().collect();
        // A segment in which nothing lies keeps its row until its file is removed.
        stored.retain(|_, file| *file != FileRecord::Segment { live: 0 });
        self.compare("files", &files, &stored);
        Ok(())
    }

    /// Invariant 3 for manifests, and that each has its links and bytes.
    fn manifests(&mut self) -> Result<(), StorageError> {
        let (mut links, mut holders, mut contents) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let live = self.records::<ManifestRecord>(Table::Manifests)?;
        let deleted = self.records::<TrashRecord>(Table::Trash)?;
        let keys = live.into_iter().map(|(key, _)| key);
        for key in keys.chain(deleted.into_iter().map(|(key, _)| key)) {
            let (repository, rest) = keys::split_number(Table::Manifests, &key)?;
            let digest = keys::last_digest(Table::Manifests, rest)?;
            holders.insert(keys::holder(&digest, repository));
            contents.insert(digest.to_key());
            if !links.insert(key) {
                self.violations
                    .push(format!("manifest {digest} is deleted and not deleted"));
            }
        }
        self.same_keys(Table::ManifestLinks, &links)?;
        self.same_keys(Table::ManifestHolders, &holders)?;
        self.same_keys(Table::Contents, &contents)
    }

    /// The queue has every deletion that can be restored, under its time and number.
    fn trash(&mut self) -> Result<(), StorageError> {
        let mut expected = BTreeSet::new();
        for (_, record) in self.records::<TrashRecord>(Table::Trash)? {
            expected.insert(record.deletion.key());
        }
        for (_, record) in self.records::<DeletedRecord>(Table::DeletedRepositories)? {
            expected.insert(record.deletion.key());
        }
        for (key, item) in self.records::<TrashItem>(Table::TrashQueue)? {
            // A history's row stays when the tag is set again, until it is due.
            if matches!(item, TrashItem::History { .. }) {
                expected.insert(key);
            }
        }
        self.same_keys(Table::TrashQueue, &expected)
    }

    /// The names of the tags of manifests that were deleted, or are being removed.
    fn names_of_deleted(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        let mut links = Vec::new();
        for (key, record) in self.records::<TrashRecord>(Table::Trash)? {
            let (repository, _) = keys::split_number(Table::Trash, &key)?;
            links.push((repository, record.manifest.link));
        }
        for (_, drain) in self.records::<Drain>(Table::Drains)? {
            if let Drain::Tags { repository, link } = drain {
                links.push((repository, link));
            }
        }
        let mut names = Vec::new();
        for (repository, link) in links {
            let prefix = keys::tags_of_link(repository, link);
            names.extend(self.rows.keys(Table::LinkTags, &prefix, usize::MAX)?);
        }
        Ok(names)
    }

    /// Invariant 5, and that every repository with rows has a record.
    fn tags(&mut self) -> Result<(), StorageError> {
        let mut links = BTreeSet::new();
        for (key, tag) in self.records::<TagRecord>(Table::Tags)? {
            let (repository, text) = keys::split_number(Table::Tags, &key)?;
            let tag_name = keys::last_text(Table::Tags, text)?;
            links.insert(keys::link_tag(repository, tag.link, &tag_name));
            let id = keys::number(repository);
            if self
                .rows
                .record::<RepositoryRecord>(Table::Repositories, &id)?
                .is_none()
            {
                self.violations
                    .push(format!("tag {tag_name} is in no repository"));
            }
        }
        links.extend(self.names_of_deleted()?);
        self.same_keys(Table::LinkTags, &links)
    }

    fn same_keys(
        &mut self,
        table: Table,
        expected: &BTreeSet<Vec<u8>>,
    ) -> Result<(), StorageError> {
        let stored: BTreeSet<Vec<u8>> = self.keys(table)?.into_iter().collect();
        let name = table.name();
        for key in expected.symmetric_difference(&stored) {
            let what = if stored.contains(key) { "has" } else { "lacks" };
            self.violations
                .push(format!("table {name} {what} the row {key:02x?}"));
        }
        Ok(())
    }

    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        expected: &BTreeMap<Vec<u8>, T>,
        stored: &BTreeMap<Vec<u8>, T>,
    ) {
        for key in expected
            .keys()
            .chain(stored.keys())
            .collect::<BTreeSet<_>>()
        {
            let (expected, stored) = (expected.get(key), stored.get(key));
            if expected != stored {
                let row = format!("{name} of {key:02x?}: {stored:?}, not {expected:?}");
                self.violations.push(row);
            }
        }
    }

    fn keys(&self, table: Table) -> Result<Vec<Vec<u8>>, StorageError> {
        self.rows.keys(table, &[], usize::MAX)
    }

    fn records<T: Record>(&self, table: Table) -> Result<Vec<(Vec<u8>, T)>, StorageError> {
        let mut records = Vec::new();
        self.rows.scan(table, &[], None, &mut |key, payload| {
            records.push((key.to_vec(), T::from_payload(table, payload)?));
            Ok(Scan::Next)
        })?;
        Ok(records)
    }
}

fn malformed() -> StorageError {
    StorageError::Metadata("a key is malformed".to_owned())
}

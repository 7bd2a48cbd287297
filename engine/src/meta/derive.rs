//! What a row must be, by the rows it follows from: the one statement of the invariants of
//! `transaction` that the audit compares with, and that a repair writes.
//!
//! Primary rows, which follow from no other: `Blobs`, `BlockChecks`, `Manifests`, `ManifestLinks`,
//! `Contents`, `Pulls`, `Settings` and the queues. Of them only whether they may be there is known. All
//! others follow from them: `Holders` and `BlobLinks` from one another, `Edges` from
//! `ManifestLinks`, `Counts` from `Edges`, `Candidates` from `BlobLinks`, `Files` from `Blobs`,
//! `Tags` and `LinkTags` from one another. What was deleted is in `derive_deleted`.
//!
//! Invariants, since a repair acts on what is said here:
//! 1. A row that is damaged counts as being there: something was, and nothing is given up for it.
//! 2. Of two rows that are put and removed together and follow from one another, one that is whole
//!    speaks for both: the other was lost, and is not a reason to remove this one.

use super::codec::Record;
use super::derive_deleted::{self, deleted_name, names_without_tags};
use super::keys;
use super::records::{
    BlobRecord, CandidateRecord, EdgeKind, EdgeRecord, FileRecord, LinkRecord, ManifestRecord,
    NameRecord, RepositoryRecord, TagRecord,
};
use super::requests::{BLOCK, Location};
use super::rows::{Found, Rows, Scan};
use super::tables::Table;
use super::transaction::edges;
use crate::clock::EngineTime;
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::{Corruption, StorageError};
use std::collections::BTreeSet;

/// What a row must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Derived {
    /// There, with this payload.
    Row(Vec<u8>),
    /// Not there.
    Nothing,
    /// It says something that no other row does: only what put it can put it again.
    Primary,
}

/// What the row of `table` under `key` must be. A key that cannot be one of the table is nobody's.
pub(super) fn derive(rows: &impl Rows, table: Table, key: &[u8]) -> Result<Derived, StorageError> {
    match of_key(rows, table, key) {
        Err(StorageError::Corrupt(Corruption::Record { why, .. })) if why == keys::MALFORMED => {
            Ok(Derived::Nothing)
        }
        outcome => outcome,
    }
}

fn of_key(rows: &impl Rows, table: Table, key: &[u8]) -> Result<Derived, StorageError> {
    match table {
        Table::RepositoryNames => name(rows, key),
        Table::Repositories => repository(rows, key),
        Table::Blobs | Table::Contents => {
            let digest = keys::last_digest(table, key)?;
            Ok(primary_if(is_held(rows, table, &digest)?))
        }
        Table::BlockChecks => match rows.undamaged::<BlobRecord>(Table::Blobs, key)? {
            Some(record) => Ok(primary_if(record.size > BLOCK)),
            None => Ok(primary_if(is_there(rows, Table::Blobs, key)?)),
        },
        Table::BlobLinks | Table::Manifests => held(rows, table, key),
        Table::Holders | Table::ManifestHolders => reverse(rows, table, key),
        Table::Edges => edge(rows, key),
        Table::Counts => {
            let (repository, target) = in_repository(table, key)?;
            let count = keeping_edges(rows, repository, &target)?;
            Ok(match count {
                0 => Derived::Nothing,
                count => Derived::Row(count.to_payload()),
            })
        }
        Table::ManifestLinks | Table::Pulls => {
            let (repository, digest) = in_repository(table, key)?;
            Ok(primary_if(is_manifest_there(rows, repository, &digest)?))
        }
        Table::Tags => tag(rows, key),
        Table::LinkTags => derive_deleted::link_tag(rows, key, |repository, link| {
            Ok(names_without_tags(rows, repository)?.has(link))
        }),
        Table::Candidates => candidate(rows, key),
        Table::Files => file(rows, key),
        Table::Trash => derive_deleted::trash(rows, key),
        Table::TrashQueue => derive_deleted::queued(rows, key),
        Table::TagHistory => derive_deleted::history(rows, key),
        Table::DeletedRepositories => derive_deleted::deleted_repository(rows, key),
        Table::Settings
        | Table::Unlinks
        | Table::Drains
        | Table::EndedUploads
        | Table::FileRanges => Ok(Derived::Primary),
    }
}

/// That a repository holds something says its own row, or the reverse of it.
fn held(rows: &impl Rows, table: Table, key: &[u8]) -> Result<Derived, StorageError> {
    if matches!(rows.found(table, key)?, Found::Payload(_)) {
        return Ok(Derived::Primary);
    }
    let of = match table {
        Table::BlobLinks => Table::Holders,
        _ => Table::ManifestHolders,
    };
    let (repository, digest) = in_repository(table, key)?;
    let holder = keys::holder(&digest, repository);
    Ok(primary_if(is_there(rows, of, &holder)?))
}

fn reverse(rows: &impl Rows, table: Table, key: &[u8]) -> Result<Derived, StorageError> {
    let (digest, repository) = holder(table, key)?;
    if matches!(rows.found(table, key)?, Found::Payload(_)) {
        return Ok(Derived::Primary);
    }
    let held = keys::in_repository(repository, &digest);
    Ok(marker_if(match table {
        Table::Holders => is_there(rows, Table::BlobLinks, &held)?,
        _ => has_manifest_row(rows, &held)?,
    }))
}

// === the parts of keys ===

/// Repository and digest.
pub(super) fn in_repository(table: Table, key: &[u8]) -> Result<(u64, Digest), Corruption> {
    let (repository, rest) = keys::split_number(table, key)?;
    Ok((repository, keys::last_digest(table, rest)?))
}

/// Digest and repository.
pub(super) fn holder(table: Table, key: &[u8]) -> Result<(Digest, u64), Corruption> {
    let (digest, rest) = keys::split_digest(table, key)?;
    match keys::split_number(table, rest)? {
        (repository, []) => Ok((digest, repository)),
        _ => Err(keys::malformed(table)),
    }
}

/// Repository, target, kind and source of an edge.
pub(super) fn edge_parts(key: &[u8]) -> Result<(u64, Digest, u8, Digest), Corruption> {
    let table = Table::Edges;
    let (repository, rest) = keys::split_number(table, key)?;
    let (target, rest) = keys::split_digest(table, rest)?;
    let (&kind, rest) = rest.split_first().ok_or_else(|| keys::malformed(table))?;
    Ok((repository, target, kind, keys::last_digest(table, rest)?))
}

// === what each table follows from ===

/// The number of keeping edges that lead to a target. A damaged row is one as well, so that
/// nothing is collected that damage only seems to have unlinked.
pub(super) fn keeping_edges(
    rows: &impl Rows,
    repository: u64,
    target: &Digest,
) -> Result<u64, StorageError> {
    const SUBJECT: u8 = EdgeKind::Subject as u8;
    let prefix = keys::in_repository(repository, target);
    let mut count = 0;
    rows.scan_any(Table::Edges, &prefix, None, &mut |key, _| {
        if key.get(prefix.len()).is_some_and(|&kind| kind != SUBJECT) {
            count += 1;
        }
        Ok(Scan::Next)
    })?;
    Ok(count)
}

/// A name stands for the live repository that has it.
fn name(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let stored = rows.undamaged::<NameRecord>(Table::RepositoryNames, key)?;
    if let Some(record) = stored {
        let id = keys::number(record.id);
        return match rows.undamaged::<RepositoryRecord>(Table::Repositories, &id)? {
            Some(named) if !named.live || named.name.as_str().as_bytes() != key => {
                named_so(rows, key)
            }
            _ => Ok(Derived::Row(record.to_payload())),
        };
    }
    named_so(rows, key)
}

fn named_so(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let mut found = Derived::Nothing;
    rows.scan_any(Table::Repositories, &[], None, &mut |id, payload| {
        let Ok(payload) = payload else {
            return Ok(Scan::Next);
        };
        let Ok(record) = RepositoryRecord::from_payload(Table::Repositories, payload) else {
            return Ok(Scan::Next);
        };
        if !record.live || record.name.as_str().as_bytes() != key {
            return Ok(Scan::Next);
        }
        let (id, _) = keys::split_number(Table::Repositories, id)?;
        // Whether it was created while empty is lost: what exists is not said to be absent.
        let record = NameRecord { id, declared: true };
        found = Derived::Row(record.to_payload());
        Ok(Scan::Stop)
    })?;
    Ok(found)
}

/// A repository is live while a name stands for it.
fn repository(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    if let Some(record) = rows.undamaged::<RepositoryRecord>(Table::Repositories, key)? {
        let name = record.name.as_str().as_bytes();
        let stands_for = rows.undamaged::<NameRecord>(Table::RepositoryNames, name)?;
        let is_named = stands_for.is_some_and(|stands| keys::number(stands.id) == key);
        if is_named == record.live {
            return Ok(Derived::Row(record.to_payload()));
        }
    }
    let mut found = if is_used(rows, key)? {
        Derived::Primary
    } else {
        Derived::Nothing
    };
    rows.scan_any(Table::RepositoryNames, &[], None, &mut |name, payload| {
        let record =
            payload.map(|payload| NameRecord::from_payload(Table::RepositoryNames, payload));
        let Ok(Ok(record)) = record else {
            return Ok(Scan::Next);
        };
        if keys::number(record.id) != key {
            return Ok(Scan::Next);
        }
        let name = keys::last_text(Table::RepositoryNames, name)?;
        found = Derived::Row(RepositoryRecord { name, live: true }.to_payload());
        Ok(Scan::Stop)
    })?;
    if matches!(found, Derived::Row(_)) {
        return Ok(found);
    }
    let (id, _) = keys::split_number(Table::Repositories, key)?;
    Ok(match deleted_name(rows, id)? {
        Some(name) => Derived::Row(RepositoryRecord { name, live: false }.to_payload()),
        None => found,
    })
}

/// Whether a repository's own row is whole, or there are rows in it.
fn is_used(rows: &impl Rows, key: &[u8]) -> Result<bool, StorageError> {
    if let Found::Payload(_) = rows.found(Table::Repositories, key)? {
        return Ok(true);
    }
    for table in [
        Table::BlobLinks,
        Table::Manifests,
        Table::Trash,
        Table::Tags,
    ] {
        if rows.any_row(table, key)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An edge is there while the manifest it comes from has that link.
fn edge(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let (repository, target, kind, source) = edge_parts(key)?;
    let manifest = keys::in_repository(repository, &source);
    match rows.undamaged::<Links>(Table::ManifestLinks, &manifest)? {
        // Of a manifest that was deleted no subject edge is listed.
        Some(_) if kind == EdgeKind::Subject as u8 && !is_live(rows, repository, &source)? => {
            let is_deleted = is_there(rows, Table::Trash, &manifest)?;
            Ok(primary_if(
                !is_deleted && is_manifest_there(rows, repository, &source)?,
            ))
        }
        Some(links) => {
            let edge = edges(&links).into_iter();
            let mut edge = edge.filter(|edge| edge.target == target && edge.kind as u8 == kind);
            Ok(edge.next().map_or(Derived::Nothing, |edge| {
                Derived::Row(edge_record(edge.kind, &links).to_payload())
            }))
        }
        None => Ok(primary_if(is_manifest_there(rows, repository, &source)?)),
    }
}

/// Whether a repository has a manifest, or can restore it, by any of the rows that say so.
pub(super) fn is_manifest_there(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<bool, StorageError> {
    let manifest = keys::in_repository(repository, digest);
    let holder = keys::holder(digest, repository);
    Ok(has_manifest_row(rows, &manifest)? || is_there(rows, Table::ManifestHolders, &holder)?)
}

/// Whether there is a record of a manifest, deleted or not.
fn has_manifest_row(rows: &impl Rows, key: &[u8]) -> Result<bool, StorageError> {
    Ok(is_there(rows, Table::Manifests, key)? || is_there(rows, Table::Trash, key)?)
}

/// Whether a manifest was not deleted.
pub(super) fn is_live(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<bool, StorageError> {
    let key = keys::in_repository(repository, digest);
    is_there(rows, Table::Manifests, &key)
}

/// The record of an edge of a manifest with these links.
pub(super) fn edge_record(kind: EdgeKind, links: &Links) -> EdgeRecord {
    let artifact_type = links.artifact_type.clone();
    EdgeRecord {
        artifact_type: artifact_type.filter(|_| kind == EdgeKind::Subject),
    }
}

/// A tag that cannot be read follows from its reverse and the manifest that has the link's id.
fn tag(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    if rows.undamaged::<TagRecord>(Table::Tags, key)?.is_some() {
        return Ok(Derived::Primary);
    }
    let (repository, text) = keys::split_number(Table::Tags, key)?;
    let prefix = keys::number(repository);
    let mut links = BTreeSet::new();
    rows.scan_any(Table::LinkTags, &prefix, None, &mut |key, _| {
        let (_, rest) = keys::split_number(Table::LinkTags, key)?;
        let (id, tag) = keys::split_number(Table::LinkTags, rest)?;
        if tag == text {
            links.insert(id);
        }
        Ok(Scan::Next)
    })?;
    // Those of manifests that were deleted name nothing.
    let deleted = names_without_tags(rows, repository)?;
    let mut found = primary_if(links.iter().any(|&link| !deleted.has(link)));
    rows.scan_any(Table::Manifests, &prefix, None, &mut |key, payload| {
        let record = payload.map(|payload| ManifestRecord::from_payload(Table::Manifests, payload));
        match record {
            Ok(Ok(record)) if links.contains(&record.link) => {
                let (_, digest) = in_repository(Table::Manifests, key)?;
                found = Derived::Row(named(digest, &record).to_payload());
                Ok(Scan::Stop)
            }
            _ => Ok(Scan::Next),
        }
    })?;
    Ok(found)
}

/// The record of a tag of which only the manifest is known.
fn named(digest: Digest, manifest: &ManifestRecord) -> TagRecord {
    TagRecord {
        digest,
        link: manifest.link,
        updated: manifest.pushed,
        set: manifest.since,
    }
}

fn candidate(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let table = Table::Candidates;
    let (due, rest) = keys::split_number(table, key)?;
    let (repository, digest) = in_repository(table, rest)?;
    let link = keys::in_repository(repository, &digest);
    let due = EngineTime(due);
    let is_due = match rows.undamaged::<LinkRecord>(Table::BlobLinks, &link)? {
        Some(link) => link.due == Some(due),
        None => is_there(rows, Table::BlobLinks, &link)?,
    };
    let stored = rows.undamaged::<CandidateRecord>(table, key)?;
    Ok(match (is_due, stored) {
        (false, _) => Derived::Nothing,
        (true, Some(_)) => Derived::Primary,
        (true, None) => Derived::Row(unknown_since(due).to_payload()),
    })
}

/// A candidate of which only the due time is known: no grace and no lease ended before that.
pub(super) fn unknown_since(due: EngineTime) -> CandidateRecord {
    let (since, leased) = (due, due);
    CandidateRecord { since, leased }
}

/// A file is the blob's whose record says it lies there. Segments are counted, see `audit`.
fn file(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let (number, _) = keys::split_number(Table::Files, key)?;
    let Some(FileRecord::Blob(digest)) = rows.undamaged(Table::Files, key)? else {
        return Ok(Derived::Primary);
    };
    let blob = digest.to_key();
    match rows.undamaged::<BlobRecord>(Table::Blobs, &blob)? {
        Some(record) if record.location == Location::File(number) => {
            Ok(Derived::Row(FileRecord::Blob(digest).to_payload()))
        }
        Some(_) => Ok(Derived::Nothing),
        // What holders need may lie there, even if its record is lost.
        None => Ok(primary_if(
            is_there(rows, Table::Blobs, &blob)? || is_held(rows, Table::Blobs, &digest)?,
        )),
    }
}

/// Whether a repository has a blob, or for `Contents` a manifest, by any of the rows that say so. One
/// that was deleted and can be restored counts.
/// Costs a read of every repository when no holder does: only damage and surplus come to that.
fn is_held(rows: &impl Rows, table: Table, digest: &Digest) -> Result<bool, StorageError> {
    let holders = match table {
        Table::Contents => Table::ManifestHolders,
        _ => Table::Holders,
    };
    if rows.any_row(holders, &digest.to_key())? {
        return Ok(true);
    }
    let mut found = false;
    rows.scan_any(Table::Repositories, &[], None, &mut |id, _| {
        if let Ok((id, [])) = keys::split_number(Table::Repositories, id) {
            let key = keys::in_repository(id, digest);
            found = match table {
                Table::Contents => has_manifest_row(rows, &key)?,
                _ => is_there(rows, Table::BlobLinks, &key)?,
            };
        }
        Ok(Scan::while_true(!found))
    })?;
    Ok(found)
}

// === helpers ===

/// Whether a row is there, damaged or not.
pub(super) fn is_there(rows: &impl Rows, table: Table, key: &[u8]) -> Result<bool, StorageError> {
    Ok(rows.found(table, key)? != Found::Absent)
}

pub(super) fn primary_if(is_needed: bool) -> Derived {
    if is_needed {
        Derived::Primary
    } else {
        Derived::Nothing
    }
}

pub(super) fn marker_if(is_needed: bool) -> Derived {
    if is_needed {
        Derived::Row(().to_payload())
    } else {
        Derived::Nothing
    }
}

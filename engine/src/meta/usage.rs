//! How many bytes belong to what: per repository by its own rows, for the store from kept sums.
//!
//! A repository costs in proportion to what it holds, the store costs one row.

use super::codec::Record as _;
use super::records::{BlobRecord, LinkRecord, ManifestRecord, Place, TagRecord, Totals};
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::add;
use super::trees::is_stray;
use super::{Metadata, garbage, keys, lookup};
use crate::clock::{Calendar, EngineTime};
use crate::fault::{Corruption, StorageError};
use crate::gc::RepositoryUsage;
use crate::name::RepositoryName;
use crate::page::{Listing, Page};

// === impl Metadata ===

impl Metadata {
    /// What the repositories of a page hold. Blocks in proportion to that.
    pub(crate) fn usage(
        &self,
        page: &Page<String>,
    ) -> Result<Listing<RepositoryUsage>, StorageError> {
        let names = self.repositories(page)?;
        let calendar = self.calendar();
        let mut items = Vec::with_capacity(names.items.len());
        for name in names.items {
            // A read of its own: no view of the store is held for longer than one repository takes.
            let usage = |rows: &_| usage_of(rows, name.clone(), calendar);
            items.extend(self.database.read(usage)?);
        }
        let more = names.more;
        Ok(Listing { items, more })
    }

    /// What one repository holds; `None` if it does not exist. Blocks in proportion to that.
    pub(crate) fn usage_of(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryUsage>, StorageError> {
        let calendar = self.calendar();
        if !self.repository_exists(name)? {
            return Ok(None);
        }
        self.database
            .read(|rows| usage_of(rows, name.clone(), calendar))
    }
}

/// What a repository holds; `None` if it went meanwhile.
fn usage_of(
    rows: &impl Rows,
    name: RepositoryName,
    calendar: Calendar,
) -> Result<Option<RepositoryUsage>, StorageError> {
    let Some(id) = lookup::repository(rows, &name)? else {
        return Ok(None);
    };
    let mut usage = RepositoryUsage {
        repository: name,
        blobs: 0,
        manifests: 0,
        tags: 0,
        own_bytes: 0,
        shared_bytes: 0,
        garbage_bytes: 0,
        manifest_bytes: 0,
        last_push: None,
        last_pull: None,
        unreadable: 0,
    };
    let prefix = keys::number(id);
    rows.scan_any(Table::BlobLinks, &prefix, None, &mut |key, payload| {
        match payload.and_then(|payload| LinkRecord::from_payload(Table::BlobLinks, payload)) {
            Ok(link) => add_blob(rows, (id, key), &link, &mut usage)?,
            Err(_damage) => usage.unreadable += 1,
        }
        Ok(Scan::Next)
    })?;
    rows.scan_any(Table::Manifests, &prefix, None, &mut |_, payload| {
        match payload.and_then(|payload| ManifestRecord::from_payload(Table::Manifests, payload)) {
            Ok(manifest) => add_manifest(&manifest, &mut usage),
            Err(_damage) => usage.unreadable += 1,
        }
        Ok(Scan::Next)
    })?;
    rows.scan_any(Table::Tags, &prefix, None, &mut |_, payload| {
        add_tag(rows, id, payload, &mut usage)?;
        Ok(Scan::Next)
    })?;
    rows.scan_any(Table::Pulls, &prefix, None, &mut |_, payload| {
        // What is damaged is written anew by the next pull, and adds to no sum.
        let time = payload.and_then(|payload| u64::from_payload(Table::Pulls, payload));
        let date = time.ok().map(|time| calendar.date(EngineTime(time)));
        usage.last_pull = usage.last_pull.max(date);
        Ok(Scan::Next)
    })?;
    Ok(Some(usage))
}

/// The bytes of the blobs and manifests of a repository; none if there is no such. Damaged rows count
/// as nothing.
pub(super) fn held_bytes(rows: &impl Rows, name: &RepositoryName) -> Result<u64, StorageError> {
    let mut bytes = 0;
    let Some(id) = lookup::repository(rows, name)? else {
        return Ok(bytes);
    };
    let prefix = keys::number(id);
    for table in [Table::BlobLinks, Table::Manifests] {
        rows.scan_any(table, &prefix, None, &mut |_, payload| {
            let size = payload.and_then(|payload| match table {
                Table::Manifests => Ok(ManifestRecord::from_payload(table, payload)?.size),
                _ => Ok(LinkRecord::from_payload(table, payload)?.size),
            });
            add(&mut bytes, size.unwrap_or_default());
            Ok(Scan::Next)
        })?;
    }
    Ok(bytes)
}

fn add_manifest(manifest: &ManifestRecord, usage: &mut RepositoryUsage) {
    usage.manifests += 1;
    usage.manifest_bytes += manifest.size;
    usage.last_push = usage.last_push.max(Some(manifest.pushed));
}

fn add_tag(
    rows: &impl Rows,
    id: u64,
    payload: Result<&[u8], Corruption>,
    usage: &mut RepositoryUsage,
) -> Result<(), StorageError> {
    let found = match payload.and_then(|payload| TagRecord::from_payload(Table::Tags, payload)) {
        Ok(tag) => lookup::visible(rows, id, &tag).map(|manifest| manifest.map(|_| tag)),
        Err(damage) => Err(damage.into()),
    };
    match found {
        Ok(None) => {}
        Ok(Some(tag)) => {
            usage.tags += 1;
            usage.last_push = usage.last_push.max(Some(tag.updated));
        }
        Err(StorageError::Corrupt(_)) => usage.unreadable += 1,
        Err(error) => return Err(error),
    }
    Ok(())
}

fn add_blob(
    rows: &impl Rows,
    (id, key): (u64, &[u8]),
    link: &LinkRecord,
    usage: &mut RepositoryUsage,
) -> Result<(), StorageError> {
    let (_, rest) = keys::split_number(Table::BlobLinks, key)?;
    let digest = keys::last_digest(Table::BlobLinks, rest)?;
    usage.blobs += 1;
    if link.due.is_some() {
        usage.garbage_bytes += link.size;
    }
    match garbage::has_other_holder(rows, Table::Holders, id, &digest) {
        Ok(true) => usage.shared_bytes += link.size,
        Ok(false) => usage.own_bytes += link.size,
        Err(StorageError::Corrupt(_)) => usage.unreadable += 1,
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The kept sums, computed anew (invariant 6 of `transaction`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Summed {
    Sums(Totals),
    /// A row could not be read: nobody knows what it adds.
    Unreadable,
    /// The snapshot is wanted back before the end.
    Wanted,
}

/// Computes the kept sums anew, until `is_wanted` says that the snapshot is wanted back.
pub(super) fn sums(rows: &impl Rows, is_wanted: &dyn Fn() -> bool) -> Result<Summed, StorageError> {
    let mut sums = Totals::default();
    for table in [
        Table::BlobLinks,
        Table::Blobs,
        Table::Manifests,
        Table::Unlinks,
    ] {
        let mut ended = None;
        rows.scan_any(table, &[], None, &mut |_, payload| {
            if is_wanted() {
                ended = Some(Summed::Wanted);
                return Ok(Scan::Stop);
            }
            let added = match table {
                // Its number is all that counts, whatever became of the rest.
                Table::Manifests => {
                    sums.manifests += u64::from(!is_stray(&payload));
                    Ok(())
                }
                _ => payload.and_then(|payload| add_row(table, payload, &mut sums)),
            };
            match added {
                Ok(()) => Ok(Scan::Next),
                Err(_damage) => {
                    ended = Some(Summed::Unreadable);
                    Ok(Scan::Stop)
                }
            }
        })?;
        if let Some(ended) = ended {
            return Ok(ended);
        }
    }
    Ok(Summed::Sums(sums))
}

fn add_row(table: Table, payload: &[u8], sums: &mut Totals) -> Result<(), Corruption> {
    match table {
        Table::BlobLinks => {
            let link = LinkRecord::from_payload(table, payload)?;
            add(&mut sums.logical, link.size);
            if link.due.is_some() {
                add(&mut sums.garbage, link.size);
            }
        }
        Table::Blobs => {
            let blob = BlobRecord::from_payload(table, payload)?;
            add(&mut sums.stored, blob.size);
            sums.blobs += 1;
        }
        _ => add(&mut sums.waiting, Place::from_payload(table, payload)?.size),
    }
    Ok(())
}

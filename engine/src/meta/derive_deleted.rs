//! The part of `derive` that is about what was deleted: `Trash`, `TrashQueue`,
//! `DeletedRepositories`, `TagHistory`, and the names that deleted manifests have in `LinkTags`.
//!
//! `Trash`, `TagHistory` and the items of the queue follow from no other row; that a deletion has an
//! item does: an item that is lost follows from the deletion it stands for, and the record of a
//! deleted repository from its item. What can still be undone counts as being there, so that no
//! repair gives up what it needs.

use super::codec::Record;
use super::derive::{Derived, in_repository, is_there, marker_if, primary_if};
use super::keys;
use super::records::{ManifestRecord, RepositoryRecord, TagRecord};
use super::rows::{Found, Rows, Scan};
use super::tables::Table;
use super::trash::{DeletedRecord, Deletion, Drain, TrashItem, TrashRecord};
use crate::clock::EngineTime;
use crate::fault::{Corruption, StorageError};
use crate::name::{RepositoryName, Tag};
use crate::repository::TagChange;
use std::collections::BTreeSet;

/// The links of a repository whose names in `LinkTags` need no rows in `Tags`.
#[derive(Debug)]
pub(super) enum NamesOf {
    /// Any: its rows are being removed, or a row that cannot be read may tell.
    Any,
    /// Those of manifests that were deleted, and those whose names are being removed.
    Links(BTreeSet<u64>),
}

// === impl NamesOf ===

impl NamesOf {
    pub(super) fn has(&self, link: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Links(links) => links.contains(&link),
        }
    }
}

/// A row that was read, or `None` where it is damaged.
fn read<R: Record>(table: Table, payload: Result<&[u8], Corruption>) -> Option<R> {
    R::from_payload(table, payload.ok()?).ok()
}

/// Which links have names without tags in a repository. Reads its trash and the drains.
pub(super) fn names_without_tags(
    rows: &impl Rows,
    repository: u64,
) -> Result<NamesOf, StorageError> {
    let mut links = BTreeSet::new();
    let mut is_any = false;
    rows.scan_any(Table::Drains, &[], None, &mut |_, payload| {
        match read(Table::Drains, payload) {
            None => is_any = true,
            Some(Drain::Repository(id)) => is_any |= id == repository,
            Some(Drain::Tags {
                repository: of,
                link,
            }) if of == repository => {
                links.insert(link);
            }
            Some(Drain::Tags { .. } | Drain::HideTags { .. }) => {}
        }
        Ok(Scan::while_true(!is_any))
    })?;
    let prefix = keys::number(repository);
    rows.scan_any(Table::Trash, &prefix, None, &mut |_, payload| {
        match read::<TrashRecord>(Table::Trash, payload) {
            None => is_any = true,
            Some(record) => {
                links.insert(record.manifest.link);
            }
        }
        Ok(Scan::while_true(!is_any))
    })?;
    Ok(if is_any {
        NamesOf::Any
    } else {
        NamesOf::Links(links)
    })
}

/// Whether the rows of a deleted repository wait to be removed.
pub(super) fn is_draining(rows: &impl Rows, repository: u64) -> Result<bool, StorageError> {
    let mut found = false;
    rows.scan_any(Table::Drains, &[], None, &mut |_, payload| {
        // A damaged row may be the one.
        found = read(Table::Drains, payload)
            .is_none_or(|drain: Drain| drain == Drain::Repository(repository));
        Ok(Scan::while_true(!found))
    })?;
    Ok(found)
}

/// The deletion of a repository, by its item in the queue. When it was deleted is lost: as early as
/// there is time by the clock, as late as can be by the engine's.
pub(super) fn queued_repository(
    rows: &impl Rows,
    name: &RepositoryName,
    id: u64,
) -> Result<Option<Deletion>, StorageError> {
    let item = TrashItem::Repository {
        name: name.clone(),
        id,
    };
    let mut found = None;
    rows.scan_any(Table::TrashQueue, &[], None, &mut |key, payload| {
        if read(Table::TrashQueue, payload).as_ref() == Some(&item) {
            let (due, rest) = keys::split_number(Table::TrashQueue, key)?;
            let (number, _) = keys::split_number(Table::TrashQueue, rest)?;
            let due = EngineTime(due);
            found = Some(Deletion {
                wall: 0,
                time: due,
                due,
                number,
            });
        }
        Ok(Scan::while_true(found.is_none()))
    })?;
    Ok(found)
}

/// The name a deleted repository had, by the key of its record.
pub(super) fn deleted_name(
    rows: &impl Rows,
    id: u64,
) -> Result<Option<RepositoryName>, StorageError> {
    let mut found = None;
    rows.scan_any(
        Table::DeletedRepositories,
        &[],
        None,
        &mut |key, payload| {
            match keys::split_deleted_repository(key) {
                // Under a key that is damaged there is another name.
                Ok((name, of)) if of == id && payload.is_ok() => found = Some(name),
                _ => {}
            }
            Ok(Scan::while_true(found.is_none()))
        },
    )?;
    Ok(found)
}

/// A manifest is deleted while it is not there.
pub(super) fn trash(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let (repository, digest) = in_repository(Table::Trash, key)?;
    if matches!(rows.found(Table::Manifests, key)?, Found::Payload(_)) {
        return Ok(Derived::Nothing);
    }
    if matches!(rows.found(Table::Trash, key)?, Found::Payload(_)) {
        return Ok(Derived::Primary);
    }
    let holder = keys::holder(&digest, repository);
    Ok(primary_if(is_there(rows, Table::ManifestHolders, &holder)?))
}

/// An item that is lost follows from the deletion that has its time and number.
pub(super) fn queued(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    if rows
        .undamaged::<TrashItem>(Table::TrashQueue, key)?
        .is_some()
    {
        return Ok(Derived::Primary);
    }
    let mut found = Derived::Nothing;
    rows.scan_any(Table::Trash, &[], None, &mut |of, payload| {
        match read::<TrashRecord>(Table::Trash, payload) {
            None => found = Derived::Primary,
            Some(record) if record.deletion.key() == key => {
                let (repository, digest) = in_repository(Table::Trash, of)?;
                let item = TrashItem::Manifest { repository, digest };
                found = Derived::Row(item.to_payload());
                return Ok(Scan::Stop);
            }
            Some(_) => {}
        }
        Ok(Scan::Next)
    })?;
    if matches!(found, Derived::Row(_)) {
        return Ok(found);
    }
    rows.scan_any(Table::DeletedRepositories, &[], None, &mut |of, payload| {
        match read::<DeletedRecord>(Table::DeletedRepositories, payload) {
            None => found = Derived::Primary,
            Some(record) if record.deletion.key() == key => {
                let (name, id) = keys::split_deleted_repository(of)?;
                found = Derived::Row(TrashItem::Repository { name, id }.to_payload());
                return Ok(Scan::Stop);
            }
            Some(_) => {}
        }
        Ok(Scan::Next)
    })?;
    Ok(found)
}

/// A repository is deleted while it is not live; the queue knows of it too.
pub(super) fn deleted_repository(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let table = Table::DeletedRepositories;
    let (name, id) = keys::split_deleted_repository(key)?;
    let record = rows.undamaged::<RepositoryRecord>(Table::Repositories, &keys::number(id))?;
    // Under a key that is damaged there is another name.
    if (record.as_ref()).is_some_and(|record| record.live || record.name != name) {
        return Ok(Derived::Nothing);
    }
    if rows.undamaged::<DeletedRecord>(table, key)?.is_some() {
        return Ok(Derived::Primary);
    }
    if let Some(deletion) = queued_repository(rows, &name, id)? {
        // Whether it was created while empty is lost: what exists is not said to be absent.
        let declared = true;
        return Ok(Derived::Row(
            DeletedRecord { declared, deletion }.to_payload(),
        ));
    }
    let is_known = is_there(rows, Table::Repositories, &keys::number(id))?;
    Ok(primary_if(is_known && !is_draining(rows, id)?))
}

/// A history follows from nothing: one that is lost begins anew.
pub(super) fn history(rows: &impl Rows, key: &[u8]) -> Result<Derived, StorageError> {
    let stored = rows.undamaged::<Vec<TagChange>>(Table::TagHistory, key)?;
    Ok(primary_if(stored.is_some()))
}

/// A name stands for a tag, or for one that a deleted manifest had: `is_name_alone` tells the latter of a
/// repository and a link.
pub(super) fn link_tag(
    rows: &impl Rows,
    key: &[u8],
    is_name_alone: impl FnOnce(u64, u64) -> Result<bool, StorageError>,
) -> Result<Derived, StorageError> {
    let table = Table::LinkTags;
    let (repository, rest) = keys::split_number(table, key)?;
    let (link, text) = keys::split_number(table, rest)?;
    let name: Tag = keys::last_text(table, text)?;
    let tag = keys::tag(repository, name.as_str());
    let record = rows.undamaged::<TagRecord>(Table::Tags, &tag)?;
    if record.as_ref().is_some_and(|record| record.link == link) {
        return Ok(marker_if(true));
    }
    let is_whole = matches!(rows.found(table, key)?, Found::Payload(_));
    if is_name_alone(repository, link)? {
        return Ok(marker_if(is_whole || is_known_tag(rows, repository, &tag)?));
    }
    let is_tag_there = is_there(rows, Table::Tags, &tag)?;
    Ok(match record {
        Some(_) => Derived::Nothing,
        None if !is_whole => marker_if(is_tag_there),
        None => primary_if(is_tag_there || may_be_link(rows, repository, link)?),
    })
}

/// Whether a name that is damaged may be one at all, and not one under a wrong key: its tag has a
/// history, where tags have any.
fn is_known_tag(rows: &impl Rows, repository: u64, tag: &[u8]) -> Result<bool, StorageError> {
    if is_there(rows, Table::TagHistory, tag)? {
        return Ok(true);
    }
    let mut has_any = false;
    let prefix = keys::number(repository);
    rows.scan_any(Table::TagHistory, &prefix, None, &mut |_, payload| {
        has_any |= payload.is_ok();
        Ok(Scan::while_true(!has_any))
    })?;
    Ok(!has_any)
}

/// Whether a manifest has a link, or one that is damaged may have it.
fn may_be_link(rows: &impl Rows, repository: u64, link: u64) -> Result<bool, StorageError> {
    let mut may = false;
    let prefix = keys::number(repository);
    rows.scan_any(Table::Manifests, &prefix, None, &mut |_, payload| {
        may = read(Table::Manifests, payload)
            .is_none_or(|record: ManifestRecord| record.link == link);
        Ok(Scan::while_true(!may))
    })?;
    Ok(may)
}

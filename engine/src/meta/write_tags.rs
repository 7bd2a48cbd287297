//! Setting and removing tags, and the history each change leaves.
//!
//! Invariant: every change of what a tag names appends to the tag's history in the same
//! transaction, with one exception: a deleted manifest takes its tags with it at once, however many
//! they are, and their histories follow when the rows do (`hide_tag`). `lookup::tag_history` tells
//! of it before.

use super::derive::is_there;
use super::keys;
use super::lookup;
use super::records::{ManifestRecord, TagRecord};
use super::rows::Rows;
use super::tables::Table;
use super::transaction::Transaction;
use super::trash::{TrashItem, TrashRecord};
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::Tag;
use crate::repository::{TagChange, TagEvent};

/// What a tag shall name.
pub(super) struct Target<'m> {
    pub(super) digest: Digest,
    pub(super) manifest: &'m ManifestRecord,
}

/// Reads all that [`set_tag`] and [`delete_tag`] will read, for who does not write over damage as a
/// push does.
pub(super) fn check_tag(rows: &impl Rows, repository: u64, tag: &Tag) -> Result<(), StorageError> {
    let key = keys::tag(repository, tag.as_str());
    if let Some(record) = rows.record::<TagRecord>(Table::Tags, &key)? {
        lookup::tag(rows, repository, tag)?;
        lookup::trashed(rows, repository, &record.digest)?;
    }
    rows.record::<Vec<TagChange>>(Table::TagHistory, &key)?;
    Ok(())
}

/// Makes a tag name a manifest, whose record is there or follows. `event` says how it came to be if
/// the tag named nothing. Damaged rows of the tag are written anew.
pub(super) fn set_tag(
    transaction: &mut Transaction<'_>,
    repository: u64,
    tag: &Tag,
    target: &Target<'_>,
    event: TagEvent,
) -> Result<(), StorageError> {
    let key = keys::tag(repository, tag.as_str());
    let old = transaction.undamaged::<TagRecord>(Table::Tags, &key)?;
    let visible = match &old {
        Some(old) => take_off(transaction, repository, (tag, old), &target.digest)?,
        None if is_there(transaction, Table::Tags, &key)? => {
            transaction.forget_link_tags(repository, tag)?;
            false
        }
        None => false,
    };
    let link = target.manifest.link;
    let record = TagRecord {
        digest: target.digest,
        link,
        updated: transaction.now.wall,
        set: transaction.now.time,
    };
    transaction.put(Table::Tags, &key, &record)?;
    transaction.put(Table::LinkTags, &keys::link_tag(repository, link, tag), &())?;
    let event = match (old.filter(|_| visible), event) {
        (Some(old), _) if old.digest == target.digest => return Ok(()),
        (Some(_), TagEvent::Set) => TagEvent::Moved,
        (_, event) => event,
    };
    let change = change_now(transaction, event, &target.digest, target.manifest);
    append(transaction, repository, tag, change)
}

/// Takes a tag off what it named, for another digest; answers whether it was visible.
fn take_off(
    transaction: &mut Transaction<'_>,
    repository: u64,
    (tag, old): (&Tag, &TagRecord),
    next: &Digest,
) -> Result<bool, StorageError> {
    let key = keys::in_repository(repository, &old.digest);
    let manifest = transaction.undamaged::<ManifestRecord>(Table::Manifests, &key)?;
    let visible = match &manifest {
        Some(manifest) => manifest.link == old.link,
        // One that is damaged was there.
        None => is_there(transaction, Table::Manifests, &key)?,
    };
    if !visible {
        hide_tag(transaction, repository, tag, old)?;
        return Ok(false);
    }
    let link = keys::link_tag(repository, old.link, tag);
    transaction.remove(Table::LinkTags, &link)?;
    if let Some(manifest) = manifest
        && old.digest != *next
    {
        lost_tag(transaction, repository, &old.digest, &manifest)?;
    }
    Ok(true)
}

/// Deletes a tag that is visible. A history that is damaged begins anew.
pub(super) fn delete_tag(
    transaction: &mut Transaction<'_>,
    repository: u64,
    tag: &Tag,
    (record, manifest): (&TagRecord, &ManifestRecord),
) -> Result<(), StorageError> {
    remove_tag(transaction, repository, tag, record.link)?;
    lost_tag(transaction, repository, &record.digest, manifest)?;
    let change = change_now(transaction, TagEvent::Deleted, &record.digest, manifest);
    append(transaction, repository, tag, change)
}

/// Notes when a manifest lost a tag: it may be untagged since.
fn lost_tag(
    transaction: &mut Transaction<'_>,
    repository: u64,
    digest: &Digest,
    manifest: &ManifestRecord,
) -> Result<(), StorageError> {
    let since = transaction.now.time;
    let record = ManifestRecord {
        since,
        ..manifest.clone()
    };
    let key = keys::in_repository(repository, digest);
    transaction.put(Table::Manifests, &key, &record)
}

/// Removes the row of a tag whose manifest was deleted, and puts that into its history. The trash
/// keeps the name, and so does one that cannot be read.
pub(super) fn hide_tag(
    transaction: &mut Transaction<'_>,
    repository: u64,
    tag: &Tag,
    record: &TagRecord,
) -> Result<(), StorageError> {
    let key = keys::in_repository(repository, &record.digest);
    let trash = transaction.undamaged::<TrashRecord>(Table::Trash, &key)?;
    let is_unknown = trash.is_none() && is_there(transaction, Table::Trash, &key)?;
    let trash = trash.filter(|trash| trash.manifest.link == record.link);
    transaction.remove(Table::Tags, &keys::tag(repository, tag.as_str()))?;
    if trash.is_none() && !is_unknown {
        let link = keys::link_tag(repository, record.link, tag);
        transaction.remove(Table::LinkTags, &link)?;
    }
    let now = transaction.now;
    let last = transaction
        .undamaged::<Vec<TagChange>>(Table::TagHistory, &keys::tag(repository, tag.as_str()))?
        .and_then(|mut changes| changes.pop());
    // Without a history, or with an empty one by setting, there is nothing to go on with.
    let Some(last) = last else {
        return Ok(());
    };
    let change = TagChange {
        event: TagEvent::ManifestDeleted,
        digest: record.digest,
        media_type: last.media_type,
        at: trash.as_ref().map_or(now.wall, |trash| trash.deletion.wall),
        time: trash.map_or(now.time, |trash| trash.deletion.time),
    };
    append(transaction, repository, tag, change)
}

/// The row of a tag if it names the manifest under `link`. Reads all that [`hide_tag`] will read.
pub(super) fn to_hide(
    rows: &impl Rows,
    repository: u64,
    tag: &Tag,
    link: u64,
) -> Result<Option<TagRecord>, StorageError> {
    let key = keys::tag(repository, tag.as_str());
    let record = rows.record::<TagRecord>(Table::Tags, &key)?;
    let Some(record) = record.filter(|record| record.link == link) else {
        return Ok(None);
    };
    lookup::trashed(rows, repository, &record.digest)?;
    rows.record::<Vec<TagChange>>(Table::TagHistory, &key)?;
    Ok(Some(record))
}

/// Removes both rows of a tag.
pub(super) fn remove_tag(
    transaction: &mut Transaction<'_>,
    repository: u64,
    tag: &Tag,
    link: u64,
) -> Result<(), StorageError> {
    transaction.remove(Table::Tags, &keys::tag(repository, tag.as_str()))?;
    transaction.remove(Table::LinkTags, &keys::link_tag(repository, link, tag))
}

/// A change of what a tag names that happens now.
fn change_now(
    transaction: &Transaction<'_>,
    event: TagEvent,
    digest: &Digest,
    manifest: &ManifestRecord,
) -> TagChange {
    TagChange {
        event,
        digest: *digest,
        media_type: manifest.media_type.clone(),
        at: transaction.now.wall,
        time: transaction.now.time,
    }
}

/// Appends to a tag's history, within its bound. The history of a tag that names nothing any more
/// goes after the undo period.
fn append(
    transaction: &mut Transaction<'_>,
    repository: u64,
    tag: &Tag,
    change: TagChange,
) -> Result<(), StorageError> {
    let key = keys::tag(repository, tag.as_str());
    let bound = transaction.now.undo.changes;
    let stored: Option<Vec<TagChange>> = transaction.undamaged(Table::TagHistory, &key)?;
    let mut changes = stored.unwrap_or_default();
    let (is_end, time) = (change.event.is_end(), change.time);
    changes.push(change);
    changes.drain(..changes.len().saturating_sub(bound));
    if changes.is_empty() {
        return transaction.remove(Table::TagHistory, &key);
    }
    transaction.put(Table::TagHistory, &key, &changes)?;
    if is_end {
        let tag = tag.clone();
        let history = TrashItem::History {
            repository,
            tag,
            time,
        };
        transaction.enqueue_trash_of(time, &history)?;
    }
    Ok(())
}

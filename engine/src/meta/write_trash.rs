//! Deleting so that it can be undone, undoing it, and making it final.
//!
//! A deletion moves one row: the manifest's record into `Trash`, or the repository's name into
//! `DeletedRepositories`. Tags, but for a few, follow in the background, in bounded steps
//! ([`Drain::HideTags`]): they are invisible at once, since a tag is visible only with its manifest's
//! link. Restoring moves the row back. `write_purge` makes a deletion final.
//!
//! Restoring takes back only tags that name nothing meanwhile: what was pushed after the deletion
//! is never overwritten by undoing it.

use super::commit::Request;
use super::derive::is_there;
use super::garbage;
use super::keys;
use super::lookup;
use super::records::{ManifestRecord, NameRecord, RepositoryRecord};
use super::rows::Rows;
use super::tables::Table;
use super::transaction::Transaction;
use super::trash::{DeletedRecord, Drain, TrashItem, TrashRecord};
use super::write_drain;
use super::write_manifests::remove_manifest;
use super::write_tags::{Target, check_tag, set_tag};
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{RepositoryName, Tag};
use crate::policy::ImmutableTags;
use crate::repository::{RestoreError, RestoredManifest, TagEvent, TagImmutable};

/// Brings a deleted manifest back, with those of its tags that name nothing meanwhile.
#[derive(Debug, Clone)]
pub(super) struct RestoreManifest {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
}

/// Makes a tag name what it named before.
#[derive(Debug, Clone)]
pub(super) struct RestoreTag {
    pub(super) repository: RepositoryName,
    pub(super) immutable: ImmutableTags,
    pub(super) tag: Tag,
}

/// Brings the repository of this name back that was deleted last.
#[derive(Debug, Clone)]
pub(super) struct RestoreRepository(pub(super) RepositoryName);

// === requests ===

impl Request for RestoreManifest {
    type Answer = RestoredManifest;
    type Refusal = RestoreError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<RestoredManifest, RestoreError> {
        let found = match lookup::repository(transaction, &self.repository)? {
            Some(id) => lookup::trashed(transaction, id, &self.digest)?.map(|trash| (id, trash)),
            None => None,
        };
        let Some((repository, trash)) = found else {
            return Err(RestoreError::Manifest {
                digest: self.digest,
                repository: self.repository,
            });
        };
        let digest = self.digest;
        let key = keys::in_repository(repository, &digest);
        let links: Links = transaction.needed(Table::ManifestLinks, &key, "a deleted manifest")?;
        let missing_blobs = lookup::missing_blobs(transaction, Some(repository), &links)?;
        let target = Target {
            digest,
            manifest: &trash.manifest,
        };
        for tag in lookup::tags_of_link(
            transaction,
            repository,
            (trash.manifest.link, None),
            usize::MAX,
        )? {
            check_tag(transaction, repository, &tag)?;
        }
        let (tags, taken) = restore_tags(transaction, repository, &target)?;
        put_back(transaction, repository, &digest, &trash, &links)?;
        Ok(RestoredManifest {
            digest,
            tags,
            taken,
            missing_blobs,
        })
    }
}

impl Request for RestoreTag {
    type Answer = Digest;
    type Refusal = RestoreError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Digest, RestoreError> {
        let Self {
            repository: name,
            immutable,
            tag,
        } = self;
        let id = lookup::repository(transaction, &name)?;
        let found = match id {
            Some(id) => lookup::previous(transaction, id, &tag)?.map(|digest| (id, digest)),
            None => None,
        };
        let Some((repository, digest)) = found else {
            return Err(RestoreError::Tag {
                tag,
                repository: name,
            });
        };
        check_tag(transaction, repository, &tag)?;
        if immutable.has(&tag)
            && let Some((named, _)) = lookup::tag(transaction, repository, &tag)?
        {
            let (current, wanted) = (named.digest, Some(digest));
            return Err(TagImmutable {
                tag,
                current,
                wanted,
            }
            .into());
        }
        let live = lookup::manifest(transaction, repository, &digest)?;
        let manifest = match (live, lookup::trashed(transaction, repository, &digest)?) {
            (Some(manifest), _) => manifest,
            (None, Some(trash)) => revive(transaction, repository, &digest, &trash)?,
            (None, None) => return Err(RestoreError::ManifestGone { tag, digest }),
        };
        let manifest = &manifest;
        let target = Target { digest, manifest };
        set_tag(transaction, repository, &tag, &target, TagEvent::Restored)?;
        Ok(digest)
    }
}

impl Request for RestoreRepository {
    type Answer = ();
    type Refusal = RestoreError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), RestoreError> {
        let Some((id, deleted)) = lookup::deleted_repository(transaction, &self.0)? else {
            return Err(RestoreError::Repository(self.0));
        };
        let key = self.0.as_str().as_bytes();
        let successor = transaction.record::<NameRecord>(Table::RepositoryNames, key)?;
        if let Some(successor) = successor {
            // Its name alone is nothing, but what could be restored in it would be lost.
            let prefix = keys::number(successor.id);
            if lookup::exists(transaction, &successor)? || transaction.any(Table::Trash, &prefix)? {
                return Err(RestoreError::Exists(self.0));
            }
            let record = RepositoryRecord {
                name: self.0.clone(),
                live: false,
            };
            transaction.put(Table::Repositories, &prefix, &record)?;
            write_drain::begin(transaction, &Drain::Repository(successor.id))?;
        }
        transaction.remove(
            Table::DeletedRepositories,
            &keys::deleted_repository(&self.0, id),
        )?;
        transaction.dequeue_trash(&deleted.deletion)?;
        let declared = deleted.declared;
        transaction.put(Table::RepositoryNames, key, &NameRecord { id, declared })?;
        let record = RepositoryRecord {
            name: self.0,
            live: true,
        };
        transaction.put(Table::Repositories, &keys::number(id), &record)?;
        Ok(())
    }
}

// === deleting ===

/// Takes a manifest out of sight, with its tags. It can be restored for the undo period.
pub(super) fn delete_manifest(
    transaction: &mut Transaction<'_>,
    repository: u64,
    digest: &Digest,
    manifest: ManifestRecord,
) -> Result<(), StorageError> {
    let link = manifest.link;
    if transaction.now.undo.period.is_zero() {
        garbage::check_remove_manifest(transaction, repository, digest)?;
        remove_manifest(transaction, repository, digest)?;
        return write_drain::begin(transaction, &Drain::Tags { repository, link });
    }
    let key = keys::in_repository(repository, digest);
    let links: Links = transaction.needed(Table::ManifestLinks, &key, "a manifest")?;
    let digest = *digest;
    let deletion = transaction.enqueue_trash(&TrashItem::Manifest { repository, digest })?;
    transaction.remove(Table::Manifests, &key)?;
    transaction.remove_subject_edge(repository, &digest, &links)?;
    let record = TrashRecord { manifest, deletion };
    transaction.put(Table::Trash, &key, &record)?;
    let hide = Drain::HideTags {
        repository,
        digest,
        link,
    };
    write_drain::begin(transaction, &hide)
}

/// Takes a repository out of sight. It can be restored for the undo period.
pub(super) fn delete_repository(
    transaction: &mut Transaction<'_>,
    name: RepositoryName,
    record: &NameRecord,
) -> Result<(), StorageError> {
    let (id, declared) = (record.id, record.declared);
    transaction.remove(Table::RepositoryNames, name.as_str().as_bytes())?;
    let unbound = RepositoryRecord {
        name: name.clone(),
        live: false,
    };
    transaction.put(Table::Repositories, &keys::number(id), &unbound)?;
    if transaction.now.undo.period.is_zero() {
        return write_drain::begin(transaction, &Drain::Repository(id));
    }
    let key = keys::deleted_repository(&name, id);
    let deletion = transaction.enqueue_trash(&TrashItem::Repository { name, id })?;
    let record = DeletedRecord { declared, deletion };
    transaction.put(Table::DeletedRepositories, &key, &record)
}

// === restoring ===

/// The tags of a deleted manifest: those that name it again, and those that name something else.
fn restore_tags(
    transaction: &mut Transaction<'_>,
    repository: u64,
    target: &Target<'_>,
) -> Result<(Vec<Tag>, Vec<Tag>), StorageError> {
    let link = target.manifest.link;
    let (mut free, mut taken) = (Vec::new(), Vec::new());
    for tag in lookup::tags_of_link(transaction, repository, (link, None), usize::MAX)? {
        if lookup::tag(transaction, repository, &tag)?.is_some() {
            transaction.remove(Table::LinkTags, &keys::link_tag(repository, link, &tag))?;
            taken.push(tag);
        } else {
            set_tag(transaction, repository, &tag, target, TagEvent::Restored)?;
            free.push(tag);
        }
    }
    Ok((free, taken))
}

/// Moves a manifest's record back.
fn put_back(
    transaction: &mut Transaction<'_>,
    repository: u64,
    digest: &Digest,
    trash: &TrashRecord,
    links: &Links,
) -> Result<(), StorageError> {
    let key = keys::in_repository(repository, digest);
    transaction.remove(Table::Trash, &key)?;
    transaction.dequeue_trash(&trash.deletion)?;
    transaction.put(Table::Manifests, &key, &trash.manifest)?;
    transaction.add_subject_edge(repository, digest, links)
}

/// Brings a manifest back without its tags: under a new link.
fn revive(
    transaction: &mut Transaction<'_>,
    repository: u64,
    digest: &Digest,
    trash: &TrashRecord,
) -> Result<ManifestRecord, StorageError> {
    let key = keys::in_repository(repository, digest);
    let links: Links = transaction.needed(Table::ManifestLinks, &key, "a deleted manifest")?;
    let mut renewed = trash.clone();
    renewed.manifest.link = transaction.next();
    put_back(transaction, repository, digest, &renewed, &links)?;
    let link = trash.manifest.link;
    write_drain::begin(transaction, &Drain::Tags { repository, link })?;
    Ok(renewed.manifest)
}

/// Drops what the trash has of a manifest that is put anew with `links`: its edges, and the names of
/// its tags. What is damaged of it is dropped too: the push brings all of it. Only where the record
/// cannot be read the names stay, which a repair removes.
pub(super) fn supersede(
    transaction: &mut Transaction<'_>,
    repository: u64,
    digest: &Digest,
    links: &Links,
) -> Result<(), StorageError> {
    let key = keys::in_repository(repository, digest);
    let trash = transaction.undamaged::<TrashRecord>(Table::Trash, &key)?;
    if trash.is_none() && !is_there(transaction, Table::Trash, &key)? {
        return Ok(());
    }
    match transaction.undamaged::<Links>(Table::ManifestLinks, &key)? {
        Some(stored) => transaction.remove_edges(repository, digest, &stored)?,
        None => transaction.forget_edges(repository, digest, links)?,
    }
    transaction.remove(Table::Trash, &key)?;
    let Some(trash) = trash else {
        return Ok(());
    };
    transaction.dequeue_trash(&trash.deletion)?;
    let link = trash.manifest.link;
    write_drain::begin(transaction, &Drain::Tags { repository, link })
}

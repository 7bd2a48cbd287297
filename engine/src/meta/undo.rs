//! What can be restored, and restoring it: the reads of the trash and the metadata's answers.

use super::codec::Record as _;
use super::content::Guarded;
use super::keys;
use super::lookup::{self, Gathered};
use super::records::TagRecord;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::trash::{DeletedRecord, TrashRecord};
use super::write_purge::{PurgeTrash, Purged, due_items};
use super::{Metadata, write_trash};
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::engine::DeletedRepository;
use crate::fault::StorageError;
use crate::name::{RepositoryName, Tag};
use crate::page::{Listing, Page};
use crate::repository::{DeletedManifest, RestoreError, RestoredManifest, TagChange, TagEvent};

/// Names of tags a listing of deleted manifests shows of each.
const TAGS_SHOWN: usize = 32;

// === impl Metadata ===

impl Metadata {
    /// The manifests of a repository that can be restored.
    pub(crate) fn deleted_manifests(
        &self,
        name: &RepositoryName,
        page: &Page<Digest>,
    ) -> Result<Listing<DeletedManifest>, StorageError> {
        let now = self.now();
        self.database
            .read(|rows| match lookup::repository(rows, name)? {
                Some(id) => deleted_manifests(rows, id, page, now),
                None => Ok(Gathered::new(0).into()),
            })
    }

    /// The repositories that can be restored.
    pub(crate) fn deleted_repositories(
        &self,
        page: &Page<String>,
    ) -> Result<Listing<DeletedRepository>, StorageError> {
        let now = self.now();
        self.database
            .read(|rows| deleted_repositories(rows, page, now))
    }

    /// What a tag named, the oldest first.
    pub(crate) fn tag_history(
        &self,
        name: &RepositoryName,
        tag: &Tag,
    ) -> Result<Vec<TagChange>, StorageError> {
        self.database
            .read(|rows| match lookup::repository(rows, name)? {
                Some(id) => tag_history(rows, id, tag, self.tag_history),
                None => Ok(Vec::new()),
            })
    }

    pub(crate) async fn restore_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<RestoredManifest, RestoreError> {
        let (repository, digest) = (repository.clone(), *digest);
        self.ask(write_trash::RestoreManifest { repository, digest })
            .await
    }

    pub(crate) async fn restore_tag(
        &self,
        (repository, immutable): Guarded<'_>,
        tag: &Tag,
    ) -> Result<Digest, RestoreError> {
        self.ask(write_trash::RestoreTag {
            repository: repository.clone(),
            immutable: immutable.clone(),
            tag: tag.clone(),
        })
        .await
    }

    pub(crate) async fn restore_repository(
        &self,
        name: &RepositoryName,
    ) -> Result<(), RestoreError> {
        self.ask(write_trash::RestoreRepository(name.clone())).await
    }

    /// How many deletions of manifests become final at `until`. Reads in proportion to them.
    pub(crate) fn deleted_until(&self, until: EngineTime) -> Result<u64, StorageError> {
        let (mut manifests, mut after) = (0, None::<Vec<u8>>);
        loop {
            let due = self
                .database
                .read(|rows| due_items(rows, until, after.as_deref(), 256))?;
            manifests += due.items.iter().filter(|due| due.is_manifest()).count() as u64;
            after = due.next;
            if after.is_none() {
                return Ok(manifests);
            }
        }
    }

    /// Makes a bounded number of deletions final that are due at `until`, from behind a key of the
    /// queue. Writes nothing when none is due.
    pub(crate) async fn purge_trash(
        &self,
        until: EngineTime,
        after: Option<Vec<u8>>,
    ) -> Result<Purged, StorageError> {
        let first = self
            .database
            .read(|rows| due_items(rows, until, after.as_deref(), 1))?;
        if first.items.is_empty() {
            return Ok(Purged {
                manifests: 0,
                damaged: first.damaged,
                next: first.next,
            });
        }
        self.ask(PurgeTrash { until, after }).await
    }
}

fn deleted_manifests(
    rows: &impl Rows,
    repository: u64,
    page: &Page<Digest>,
    now: EngineTime,
) -> Result<Listing<DeletedManifest>, StorageError> {
    let mut listing = Gathered::new(page.limit);
    let prefix = keys::number(repository);
    let after = page
        .after
        .map(|after| keys::in_repository(repository, &after));
    rows.scan(
        Table::Trash,
        &prefix,
        after.as_deref(),
        &mut |key, payload| {
            let TrashRecord { manifest, deletion } =
                TrashRecord::from_payload(Table::Trash, payload)?;
            let (_, digest) = keys::split_number(Table::Trash, key)?;
            let link = (manifest.link, None);
            Ok(listing.push(DeletedManifest {
                digest: keys::last_digest(Table::Trash, digest)?,
                media_type: manifest.media_type,
                size: manifest.size,
                tags: lookup::tags_of_link(rows, repository, link, TAGS_SHOWN)?,
                deleted: deletion.wall,
                left: now.until(deletion.due),
            }))
        },
    )?;
    Ok(listing.into())
}

/// Of each name the one deleted last: it has the highest number, and hides the others.
fn deleted_repositories(
    rows: &impl Rows,
    page: &Page<String>,
    now: EngineTime,
) -> Result<Listing<DeletedRepository>, StorageError> {
    let mut items: Vec<DeletedRepository> = Vec::new();
    let mut more = false;
    // Behind all numbers of that name.
    let after = page.after.as_ref().map(|after| format!("{after}\u{1}"));
    let after = after.as_deref().map(str::as_bytes);
    rows.scan(
        Table::DeletedRepositories,
        &[],
        after,
        &mut |key, payload| {
            let (name, _) = keys::split_deleted_repository(key)?;
            let DeletedRecord { deletion, .. } =
                DeletedRecord::from_payload(Table::DeletedRepositories, payload)?;
            if items.last().is_some_and(|last| last.name == name) {
                items.pop();
            } else if items.len() == page.limit {
                more = true;
                return Ok(Scan::Stop);
            }
            items.push(DeletedRepository {
                name,
                deleted: deletion.wall,
                left: now.until(deletion.due),
            });
            Ok(Scan::Next)
        },
    )?;
    Ok(Listing { items, more })
}

/// The history, with the deletion of the manifest that is not written into it yet.
fn tag_history(
    rows: &impl Rows,
    repository: u64,
    tag: &Tag,
    bound: usize,
) -> Result<Vec<TagChange>, StorageError> {
    let key = keys::tag(repository, tag.as_str());
    let stored: Option<Vec<TagChange>> = rows.record(Table::TagHistory, &key)?;
    let mut changes = stored.unwrap_or_default();
    let hidden = match rows.record::<TagRecord>(Table::Tags, &key)? {
        Some(record) if lookup::tag(rows, repository, tag)?.is_none() => {
            lookup::trashed(rows, repository, &record.digest)?
                .filter(|trash| trash.manifest.link == record.link)
                .map(|trash| (record.digest, trash))
        }
        _ => None,
    };
    if let Some((digest, trash)) = hidden {
        changes.push(TagChange {
            event: TagEvent::ManifestDeleted,
            digest,
            media_type: trash.manifest.media_type,
            at: trash.deletion.wall,
            time: trash.deletion.time,
        });
    }
    changes.drain(..changes.len().saturating_sub(bound));
    Ok(changes)
}

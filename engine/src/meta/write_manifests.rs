//! Transactions on manifests and tags: put, delete, set tag, delete tag.
//!
//! Invariant: what is immutable for who asks is looked at in the transaction that would change it.

use super::commit::Request;
use super::keys;
use super::lookup;
use super::records::ManifestRecord;
use super::rows::{Found, Rows, Scan};
use super::tables::Table;
use super::transaction::Transaction;
use super::write_tags::{Target, check_tag, delete_tag, set_tag};
use super::write_trash;
use crate::clock::EngineTime;
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{Reference, RepositoryName, Tag};
use crate::policy::ImmutableTags;
use crate::repository::{
    ManifestError, Missing, PutManifest, StoredManifest, TagCondition, TagEvent, TagImmutable,
};

/// Stores a manifest whose digest was verified.
#[derive(Debug, Clone)]
pub(super) struct StoreManifest {
    pub(super) repository: RepositoryName,
    pub(super) immutable: ImmutableTags,
    pub(super) digest: Digest,
    pub(super) put: PutManifest,
}

/// Deletes a manifest with its tags; it can be restored for the undo period.
#[derive(Debug, Clone)]
pub(super) struct DeleteManifest {
    pub(super) repository: RepositoryName,
    pub(super) immutable: ImmutableTags,
    pub(super) digest: Digest,
}

/// Makes a tag name a manifest that is there.
#[derive(Debug, Clone)]
pub(super) struct SetTag {
    pub(super) repository: RepositoryName,
    pub(super) immutable: ImmutableTags,
    pub(super) tag: Tag,
    pub(super) digest: Digest,
    pub(super) condition: TagCondition,
}

/// Deletes a tag.
#[derive(Debug, Clone)]
pub(super) struct DeleteTag {
    pub(super) repository: RepositoryName,
    pub(super) immutable: ImmutableTags,
    pub(super) tag: Tag,
}

// === requests ===

impl Request for StoreManifest {
    type Answer = StoredManifest;
    type Refusal = ManifestError;

    fn size(&self) -> usize {
        self.put.content.len()
    }

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<StoredManifest, ManifestError> {
        let existing = lookup::repository(transaction, &self.repository)?;
        self.check_links(transaction, existing)?;
        self.check_tags(transaction, existing)?;
        if let Some(repository) = existing {
            self.check_rows(transaction, repository)?;
        }
        let repository = transaction.repository(&self.repository)?;
        let key = keys::in_repository(repository, &self.digest);
        let stored = match transaction.found(Table::Manifests, &key)? {
            Found::Damaged(_) => Some(self.renew(transaction, repository)?),
            _ => transaction.record::<ManifestRecord>(Table::Manifests, &key)?,
        };
        let created = stored.is_none();
        let manifest = match stored {
            Some(record) if record.media_type == self.put.media_type => {
                self.heal(transaction)?;
                transaction.heal_manifest(repository, &self.digest, &self.put.links)?;
                let since = transaction.now.time;
                let record = ManifestRecord { since, ..record };
                transaction.put(Table::Manifests, &key, &record)?;
                record
            }
            Some(record) => self.change_media_type(transaction, repository, &record)?,
            None => self.create(transaction, repository)?,
        };
        let target = Target {
            digest: self.digest,
            manifest: &manifest,
        };
        for tag in &self.put.tags {
            set_tag(transaction, repository, tag, &target, TagEvent::Set)?;
        }
        Ok(StoredManifest {
            digest: self.digest,
            created,
        })
    }
}

impl StoreManifest {
    /// Refuses what the links lack, with the full list.
    fn check_links(
        &self,
        rows: &Transaction<'_>,
        repository: Option<u64>,
    ) -> Result<(), ManifestError> {
        let links = &self.put.links;
        if self.put.missing_blobs == Missing::Refuse {
            let missing = lookup::missing_blobs(rows, repository, links)?;
            if !missing.is_empty() {
                return Err(ManifestError::MissingBlobs(missing));
            }
        }
        if self.put.missing_children == Missing::Refuse {
            let missing = lookup::absent(links.manifests.iter(), |digest| match repository {
                Some(id) => Ok(lookup::manifest(rows, id, digest)?.is_some()
                    || lookup::has_blob(rows, id, digest)?),
                None => Ok(false),
            })?;
            if !missing.is_empty() {
                return Err(ManifestError::MissingChildren(missing));
            }
        }
        Ok(())
    }

    fn check_tags(
        &self,
        rows: &Transaction<'_>,
        repository: Option<u64>,
    ) -> Result<(), ManifestError> {
        let Some(repository) = repository else {
            let is_allowed = self.put.condition.allows(None);
            return match self.put.tags.first() {
                Some(tag) if !is_allowed => Err(ManifestError::Condition {
                    tag: tag.clone(),
                    names: None,
                }),
                _ => Ok(()),
            };
        };
        let rules = (&self.put.condition, &self.immutable);
        for tag in &self.put.tags {
            expect_settable(rows, repository, (tag, &self.digest), rules)?;
        }
        Ok(())
    }

    /// Reads what changing a media type will read, before the first write. All else that this finds
    /// damaged is written anew.
    fn check_rows(&self, rows: &Transaction<'_>, repository: u64) -> Result<(), StorageError> {
        let key = keys::in_repository(repository, &self.digest);
        let stored = rows.undamaged::<ManifestRecord>(Table::Manifests, &key)?;
        if stored.is_some_and(|record| record.media_type != self.put.media_type) {
            rows.needed::<Links>(Table::ManifestLinks, &key, "a manifest")?;
        }
        Ok(())
    }

    /// Writes the bytes again if they cannot be read.
    fn heal(&self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        let key = self.digest.to_key();
        match transaction.payload(Table::Contents, &key) {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(StorageError::Corrupt(_)) => {
                transaction.put_payload(Table::Contents, &key, &self.put.content)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the record again that cannot be read.
    fn renew(
        &self,
        transaction: &mut Transaction<'_>,
        repository: u64,
    ) -> Result<ManifestRecord, StorageError> {
        let key = keys::in_repository(repository, &self.digest);
        let link = match transaction.lost_link(repository, &self.digest)? {
            Some(link) => link,
            None => transaction.next(),
        };
        let record = self.record(link, transaction.now.wall, transaction.now.time);
        transaction.put(Table::Manifests, &key, &record)?;
        Ok(record)
    }

    fn record(&self, link: u64, pushed: u64, since: EngineTime) -> ManifestRecord {
        ManifestRecord {
            link,
            media_type: self.put.media_type.clone(),
            size: self.put.content.len() as u64,
            pushed,
            since,
        }
    }

    fn create(
        &self,
        transaction: &mut Transaction<'_>,
        repository: u64,
    ) -> Result<ManifestRecord, StorageError> {
        write_trash::supersede(transaction, repository, &self.digest, &self.put.links)?;
        let link = transaction.next();
        let pushed = transaction.now.wall;
        let record = self.write_record(transaction, repository, link, pushed)?;
        let holder = keys::holder(&self.digest, repository);
        transaction.put(Table::ManifestHolders, &holder, &())?;
        transaction.put_payload(Table::Contents, &self.digest.to_key(), &self.put.content)?;
        Ok(record)
    }

    /// The same bytes under another media type may be read as other links.
    fn change_media_type(
        &self,
        transaction: &mut Transaction<'_>,
        repository: u64,
        record: &ManifestRecord,
    ) -> Result<ManifestRecord, StorageError> {
        let key = keys::in_repository(repository, &self.digest);
        let links: Links = transaction.needed(Table::ManifestLinks, &key, "a manifest")?;
        transaction.remove_edges(repository, &self.digest, &links)?;
        self.write_record(transaction, repository, record.link, record.pushed)
    }

    fn write_record(
        &self,
        transaction: &mut Transaction<'_>,
        repository: u64,
        link: u64,
        pushed: u64,
    ) -> Result<ManifestRecord, StorageError> {
        let key = keys::in_repository(repository, &self.digest);
        let record = self.record(link, pushed, transaction.now.time);
        transaction.put(Table::Manifests, &key, &record)?;
        transaction.put(Table::ManifestLinks, &key, &self.put.links)?;
        transaction.add_edges(repository, &self.digest, &self.put.links)?;
        Ok(record)
    }
}

impl Request for DeleteManifest {
    type Answer = ();
    type Refusal = ManifestError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), ManifestError> {
        let found = match lookup::repository(transaction, &self.repository)? {
            Some(id) => lookup::manifest(transaction, id, &self.digest)?.map(|record| (id, record)),
            None => None,
        };
        let Some((repository, record)) = found else {
            let reference = Reference::Digest(self.digest);
            return Err(ManifestError::Unknown {
                reference,
                repository: self.repository,
            });
        };
        if let Some(tag) = immutable_tag(transaction, repository, record.link, &self.immutable)? {
            let (current, wanted) = (self.digest, None);
            return Err(TagImmutable {
                tag,
                current,
                wanted,
            }
            .into());
        }
        write_trash::delete_manifest(transaction, repository, &self.digest, record)?;
        Ok(())
    }
}

impl Request for SetTag {
    type Answer = Option<Digest>;
    type Refusal = ManifestError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Option<Digest>, ManifestError> {
        let Self { tag, digest, .. } = self;
        let found = match lookup::repository(transaction, &self.repository)? {
            Some(id) => lookup::manifest(transaction, id, &digest)?.map(|record| (id, record)),
            None => None,
        };
        let Some((repository, manifest)) = found else {
            return Err(ManifestError::Unknown {
                reference: Reference::Digest(digest),
                repository: self.repository,
            });
        };
        let rules = (&self.condition, &self.immutable);
        check_tag(transaction, repository, &tag)?;
        expect_settable(transaction, repository, (&tag, &digest), rules)?;
        let before = lookup::tag(transaction, repository, &tag)?;
        let manifest = &manifest;
        let target = Target { digest, manifest };
        set_tag(transaction, repository, &tag, &target, TagEvent::Set)?;
        Ok(before.map(|(record, _)| record.digest))
    }
}

impl Request for DeleteTag {
    type Answer = ();
    type Refusal = ManifestError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), ManifestError> {
        let found = match lookup::repository(transaction, &self.repository)? {
            Some(id) => lookup::tag(transaction, id, &self.tag)?.map(|found| (id, found)),
            None => None,
        };
        let Some((repository, (record, manifest))) = found else {
            let reference = Reference::Tag(self.tag);
            return Err(ManifestError::Unknown {
                reference,
                repository: self.repository,
            });
        };
        if self.immutable.has(&self.tag) {
            let (tag, current, wanted) = (self.tag, record.digest, None);
            return Err(TagImmutable {
                tag,
                current,
                wanted,
            }
            .into());
        }
        delete_tag(transaction, repository, &self.tag, (&record, &manifest))?;
        Ok(())
    }
}

/// Refuses to let a tag name `digest` against the condition, or if it is immutable and names another.
fn expect_settable(
    rows: &impl Rows,
    repository: u64,
    (tag, digest): (&Tag, &Digest),
    (condition, immutable): (&TagCondition, &ImmutableTags),
) -> Result<(), ManifestError> {
    let is_immutable = immutable.has(tag);
    if *condition == TagCondition::Always && !is_immutable {
        return Ok(());
    }
    let named = lookup::tag(rows, repository, tag)?;
    let names = named.map(|(record, _)| record.digest);
    let tag = tag.clone();
    if !condition.allows(names) {
        return Err(ManifestError::Condition { tag, names });
    }
    match names {
        Some(current) if is_immutable && current != *digest => {
            let wanted = Some(*digest);
            Err(TagImmutable {
                tag,
                current,
                wanted,
            }
            .into())
        }
        _ => Ok(()),
    }
}

/// A tag set on a link of a manifest that is immutable. Reads all of them, unless none can be.
fn immutable_tag(
    rows: &impl Rows,
    repository: u64,
    link: u64,
    immutable: &ImmutableTags,
) -> Result<Option<Tag>, StorageError> {
    let mut found = None;
    if immutable.is_empty() {
        return Ok(found);
    }
    let prefix = keys::tags_of_link(repository, link);
    rows.scan(Table::LinkTags, &prefix, None, &mut |key, _| {
        let text = key.get(prefix.len()..).unwrap_or_default();
        let tag: Tag = keys::last_text(Table::LinkTags, text)?;
        found = immutable.has(&tag).then_some(tag);
        Ok(Scan::while_true(found.is_none()))
    })?;
    Ok(found)
}

/// Removes a manifest's record, edges, and bytes if no other repository has them; its tags stay as
/// invisible rows.
pub(super) fn remove_manifest(
    transaction: &mut Transaction<'_>,
    repository: u64,
    digest: &Digest,
) -> Result<(), StorageError> {
    let key = keys::in_repository(repository, digest);
    let links: Links = transaction.needed(Table::ManifestLinks, &key, "a manifest")?;
    transaction.remove_edges(repository, digest, &links)?;
    transaction.remove(Table::Manifests, &key)?;
    transaction.remove(Table::Pulls, &key)?;
    transaction.remove(Table::ManifestLinks, &key)?;
    transaction.remove(Table::ManifestHolders, &keys::holder(digest, repository))?;
    if !transaction.any(Table::ManifestHolders, &digest.to_key())? {
        transaction.remove(Table::Contents, &digest.to_key())?;
    }
    Ok(())
}

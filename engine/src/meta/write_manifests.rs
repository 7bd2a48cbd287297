//! Transactions on manifests and tags: put, delete, delete tag.

use super::commit::Request;
use super::keys;
use super::lookup;
use super::records::{Drain, ManifestRecord, TagRecord};
use super::requests::Location;
use super::rows::Rows;
use super::tables::Table;
use super::transaction::Transaction;
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{Reference, RepositoryName, Tag};
use crate::repository::{ManifestError, Missing, PutManifest, StoredManifest, TagCondition};

/// Stores a manifest whose digest was verified.
#[derive(Debug, Clone)]
pub(super) struct StoreManifest {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    pub(super) put: PutManifest,
}

/// Deletes a manifest with its tags and edges.
#[derive(Debug, Clone)]
pub(super) struct DeleteManifest {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
}

/// Deletes a tag.
#[derive(Debug, Clone)]
pub(super) struct DeleteTag {
    pub(super) repository: RepositoryName,
    pub(super) tag: Tag,
}

// === requests ===

impl Request for StoreManifest {
    type Answer = StoredManifest;
    type Refusal = ManifestError;

    fn size(&self) -> usize {
        self.put.content.len()
    }

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<StoredManifest, ManifestError> {
        let existing = lookup::repository(transaction, &self.repository)?;
        self.check_links(transaction, existing)?;
        self.check_tags(transaction, existing)?;
        let repository = transaction.repository(&self.repository)?;
        let key = keys::in_repository(repository, &self.digest);
        let stored = transaction.record::<ManifestRecord>(Table::Manifests, &key)?;
        let created = stored.is_none();
        let link = match stored {
            Some(record) if record.media_type == self.put.media_type => {
                self.heal(transaction)?;
                record.link
            }
            Some(record) => self.change_media_type(transaction, repository, &record)?,
            None => self.create(transaction, repository)?,
        };
        for tag in &self.put.tags {
            set_tag(transaction, repository, tag, (self.digest, link))?;
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
            let blobs = links.config.iter().chain(&links.layers);
            let missing = absent(blobs, |digest| match repository {
                Some(id) => lookup::has_blob(rows, id, digest),
                None => Ok(false),
            })?;
            if !missing.is_empty() {
                return Err(ManifestError::MissingBlobs(missing));
            }
        }
        if self.put.missing_children == Missing::Refuse {
            let missing = absent(links.manifests.iter(), |digest| match repository {
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
        if self.put.condition == TagCondition::Always {
            return Ok(());
        }
        for tag in &self.put.tags {
            let found = repository
                .map(|id| lookup::tag(rows, id, tag))
                .transpose()?
                .flatten();
            let names = found.map(|(record, _)| record.digest);
            if !self.put.condition.allows(names) {
                return Err(ManifestError::Condition {
                    tag: tag.clone(),
                    names,
                });
            }
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

    fn create(
        &self,
        transaction: &mut Transaction<'_>,
        repository: u64,
    ) -> Result<u64, StorageError> {
        let link = transaction.next();
        let pushed = transaction.now.wall;
        self.write_record(transaction, repository, link, pushed)?;
        let holder = keys::holder(&self.digest, repository);
        transaction.put(Table::ManifestHolders, &holder, &())?;
        transaction.put_payload(Table::Contents, &self.digest.to_key(), &self.put.content)?;
        Ok(link)
    }

    /// The same bytes under another media type may be read as other links.
    fn change_media_type(
        &self,
        transaction: &mut Transaction<'_>,
        repository: u64,
        record: &ManifestRecord,
    ) -> Result<u64, StorageError> {
        let key = keys::in_repository(repository, &self.digest);
        let links: Links = transaction.needed(Table::ManifestLinks, &key, "a manifest")?;
        transaction.remove_edges(repository, &self.digest, &links)?;
        self.write_record(transaction, repository, record.link, record.pushed)?;
        Ok(record.link)
    }

    fn write_record(
        &self,
        transaction: &mut Transaction<'_>,
        repository: u64,
        link: u64,
        pushed: u64,
    ) -> Result<(), StorageError> {
        let key = keys::in_repository(repository, &self.digest);
        let media_type = self.put.media_type.clone();
        let size = self.put.content.len() as u64;
        let record = ManifestRecord {
            link,
            media_type,
            size,
            pushed,
        };
        transaction.put(Table::Manifests, &key, &record)?;
        transaction.put(Table::ManifestLinks, &key, &self.put.links)?;
        transaction.add_edges(repository, &self.digest, &self.put.links)
    }
}

impl Request for DeleteManifest {
    type Answer = ();
    type Refusal = ManifestError;
    const GIVES_BACK: bool = true;

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), ManifestError> {
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
        remove_manifest(transaction, repository, &self.digest)?;
        transaction.enqueue(
            Table::Drains,
            &Drain::Tags {
                repository,
                link: record.link,
            },
        )?;
        Ok(())
    }
}

impl Request for DeleteTag {
    type Answer = ();
    type Refusal = ManifestError;
    const GIVES_BACK: bool = true;

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), ManifestError> {
        let found = match lookup::repository(transaction, &self.repository)? {
            Some(id) => lookup::tag(transaction, id, &self.tag)?.map(|(record, _)| (id, record)),
            None => None,
        };
        let Some((repository, record)) = found else {
            let reference = Reference::Tag(self.tag);
            return Err(ManifestError::Unknown {
                reference,
                repository: self.repository,
            });
        };
        remove_tag(transaction, repository, &self.tag, record.link)?;
        Ok(())
    }
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
    transaction.remove(Table::ManifestLinks, &key)?;
    transaction.remove(Table::ManifestHolders, &keys::holder(digest, repository))?;
    if !transaction.any(Table::ManifestHolders, &digest.to_key())? {
        transaction.remove(Table::Contents, &digest.to_key())?;
    }
    Ok(())
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

fn set_tag(
    transaction: &mut Transaction<'_>,
    repository: u64,
    tag: &Tag,
    (digest, link): (Digest, u64),
) -> Result<(), StorageError> {
    let key = keys::tag(repository, tag.as_str());
    if let Some(old) = transaction.record::<TagRecord>(Table::Tags, &key)? {
        transaction.remove(Table::LinkTags, &keys::link_tag(repository, old.link, tag))?;
    }
    let updated = transaction.now.wall;
    transaction.put(
        Table::Tags,
        &key,
        &TagRecord {
            digest,
            link,
            updated,
        },
    )?;
    transaction.put(Table::LinkTags, &keys::link_tag(repository, link, tag), &())
}

/// Those of `digests` that are not present, each once, in their order.
fn absent<'d>(
    digests: impl Iterator<Item = &'d Digest>,
    mut is_present: impl FnMut(&Digest) -> Result<bool, StorageError>,
) -> Result<Vec<Digest>, StorageError> {
    let mut seen = std::collections::HashSet::new();
    let mut missing = Vec::new();
    for digest in digests {
        if seen.insert(*digest) && !is_present(digest)? {
            missing.push(*digest);
        }
    }
    Ok(missing)
}

//! What the metadata answers and changes about content: blobs, manifests, tags, repositories.

use super::records::BlobRecord;
use super::requests::{BlockChecks, CommitBlob, Location, StoredAt};
use super::rows::{Counts, Rows, Snapshot};
use super::tables::Table;
use super::{
    FoundBlob, Metadata, garbage, lookup, write_blobs, write_manifests, write_repositories,
};
use crate::digest::Digest;
use crate::engine::Statistics;
use crate::fault::{Corruption, StorageError};
use crate::name::{Reference, RepositoryName, Tag};
use crate::page::{Listing, Page};
use crate::policy::ImmutableTags;
use crate::repository::{
    BlobError, BlobStat, Manifest, ManifestError, ManifestStat, PutManifest, Referrer,
    ReferrersQuery, RepositoryError, StoredManifest, TagCondition,
};

/// A repository and those of its tags that are immutable for who asks.
pub(super) type Guarded<'g> = (&'g RepositoryName, &'g ImmutableTags);

// === impl Metadata ===

impl Metadata {
    // --- blobs ---

    /// Makes content a blob of a repository and ends its upload. If another undamaged copy of the
    /// digest is stored already, that one stays and the new one is removed.
    pub(crate) async fn commit_blob(&self, commit: CommitBlob) -> Result<(), StorageError> {
        self.ask(commit).await
    }

    /// Where a blob that a repository holds lies.
    pub(crate) fn blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<FoundBlob>, StorageError> {
        let now = self.now();
        let found = self.database.read(|rows| {
            let Some((repository, link)) = lookup::blob_link(rows, name, digest)? else {
                return Ok(None);
            };
            let record = lookup::blob(rows, name, digest)?;
            let promised = now.after(self.lease);
            let needs_lease = match link.due {
                Some(due) => !garbage::is_leased(rows, (due, repository, digest), promised)?,
                None => false,
            };
            Ok(record.map(|record| FoundBlob {
                stored: StoredAt::from(record),
                needs_lease,
            }))
        });
        lookup::unless_damaged(found)
    }

    /// Keeps a blob without links for the lease time, counted from now; refuses if it
    /// was collected meanwhile.
    pub(crate) async fn lease_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), BlobError> {
        let (repository, digest, lease) = (repository.clone(), *digest, self.lease);
        self.ask(write_blobs::LeaseBlob {
            repository,
            digest,
            lease,
        })
        .await
    }

    /// Notes that the bytes at `location` are not the blob's.
    pub(crate) async fn mark_damaged(
        &self,
        digest: &Digest,
        location: Location,
    ) -> Result<(), StorageError> {
        let digest = *digest;
        self.ask(write_blobs::MarkDamaged { digest, location })
            .await
    }

    /// The checksums of a blob's blocks; empty for blobs of at most one block.
    pub(crate) fn block_checks(&self, digest: &Digest) -> Result<BlockChecks, StorageError> {
        let key = digest.to_key();
        self.database.read(|rows| {
            Ok(rows
                .record::<BlockChecks>(Table::BlockChecks, &key)?
                .unwrap_or_default())
        })
    }

    pub(crate) async fn mount_blob(
        &self,
        repository: &RepositoryName,
        source: &RepositoryName,
        digest: &Digest,
    ) -> Result<BlobStat, BlobError> {
        let (repository, source, digest) = (repository.clone(), source.clone(), *digest);
        self.ask(write_blobs::MountBlob {
            repository,
            source,
            digest,
        })
        .await
    }

    pub(crate) async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), BlobError> {
        let (repository, digest) = (repository.clone(), *digest);
        let refuse_referenced = self.refuse_referenced;
        self.ask(write_blobs::DeleteBlob {
            repository,
            digest,
            refuse_referenced,
        })
        .await
    }

    pub(crate) fn holders(
        &self,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StorageError> {
        let holders = |rows: &_| lookup::holders(rows, digest, limit).map(Some);
        let found = lookup::unless_damaged(self.database.read(holders))?;
        Ok(found.unwrap_or_default())
    }

    // --- manifests and tags ---

    /// Stores a manifest whose digest was verified.
    pub(crate) async fn put_manifest(
        &self,
        (repository, immutable): Guarded<'_>,
        digest: Digest,
        put: PutManifest,
    ) -> Result<StoredManifest, ManifestError> {
        let (repository, immutable) = (repository.clone(), immutable.clone());
        self.ask(write_manifests::StoreManifest {
            repository,
            immutable,
            digest,
            put,
        })
        .await
    }

    pub(crate) fn manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Manifest>, StorageError> {
        let found = self.database.read(|rows| {
            if let Some(manifest) = rows.recent.get(name, reference) {
                return Ok(Some(manifest));
            }
            let Some((digest, record)) = lookup::resolve(rows, name, reference)? else {
                return Ok(None);
            };
            let content = rows.payload(Table::Contents, &digest.to_key())?;
            let (table, needed_by) = (Table::Contents.name(), "a manifest");
            let content = content.ok_or(Corruption::Missing { table, needed_by })?;
            let manifest = Manifest {
                digest,
                media_type: record.media_type,
                content: content.into(),
            };
            rows.recent.put(name, reference, &manifest);
            Ok(Some(manifest))
        });
        lookup::unless_damaged(found)
    }

    pub(crate) fn stat_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestStat>, StorageError> {
        let found = self.database.read(|rows| {
            if let Some(manifest) = rows.recent.get(name, reference) {
                return Ok(Some(manifest.stat()));
            }
            let Some((digest, record)) = lookup::resolve(rows, name, reference)? else {
                return Ok(None);
            };
            // A client that is told it is there does not push it again: it must be readable.
            let content = rows.payload(Table::Contents, &digest.to_key())?;
            Ok(content.map(|_| ManifestStat {
                digest,
                media_type: record.media_type,
                size: record.size,
            }))
        });
        lookup::unless_damaged(found)
    }

    pub(crate) async fn delete_manifest(
        &self,
        (repository, immutable): Guarded<'_>,
        digest: &Digest,
    ) -> Result<(), ManifestError> {
        self.ask(write_manifests::DeleteManifest {
            repository: repository.clone(),
            immutable: immutable.clone(),
            digest: *digest,
        })
        .await
    }

    pub(crate) async fn delete_tag(
        &self,
        (repository, immutable): Guarded<'_>,
        tag: &Tag,
    ) -> Result<(), ManifestError> {
        self.ask(write_manifests::DeleteTag {
            repository: repository.clone(),
            immutable: immutable.clone(),
            tag: tag.clone(),
        })
        .await
    }

    pub(crate) async fn set_tag(
        &self,
        (repository, immutable): Guarded<'_>,
        tag: &Tag,
        digest: &Digest,
        condition: TagCondition,
    ) -> Result<Option<Digest>, ManifestError> {
        self.ask(write_manifests::SetTag {
            repository: repository.clone(),
            immutable: immutable.clone(),
            tag: tag.clone(),
            digest: *digest,
            condition,
        })
        .await
    }

    pub(crate) fn tags(
        &self,
        name: &RepositoryName,
        page: &Page<String>,
    ) -> Result<Option<Listing<Tag>>, StorageError> {
        self.database.read(|rows| lookup::tags(rows, name, page))
    }

    pub(crate) fn referrers(
        &self,
        name: &RepositoryName,
        subject: &Digest,
        query: &ReferrersQuery,
    ) -> Result<Listing<Referrer>, StorageError> {
        self.database
            .read(|rows| lookup::referrers(rows, name, subject, query))
    }

    // --- repositories ---

    pub(crate) async fn create_repository(
        &self,
        name: &RepositoryName,
    ) -> Result<bool, StorageError> {
        self.ask(write_repositories::CreateRepository(name.clone()))
            .await
    }

    pub(crate) async fn delete_repository(
        &self,
        name: &RepositoryName,
    ) -> Result<(), RepositoryError> {
        self.ask(write_repositories::DeleteRepository(name.clone()))
            .await
    }

    pub(crate) fn repository_exists(&self, name: &RepositoryName) -> Result<bool, StorageError> {
        let existing = |rows: &_| lookup::existing(rows, name);
        Ok(self.database.read(existing)?.is_some())
    }

    pub(crate) fn repositories(
        &self,
        page: &Page<String>,
    ) -> Result<Listing<RepositoryName>, StorageError> {
        self.database.read(|rows| lookup::repositories(rows, page))
    }

    pub(crate) fn statistics(&self) -> Result<Statistics, StorageError> {
        let Counts {
            blobs,
            manifests,
            repositories,
            tags,
        } = self.database.read(Snapshot::counts)?;
        Ok(Statistics {
            blobs,
            manifests,
            repositories,
            tags,
            open_uploads: 0,
        })
    }

    /// Whether reads and writes can be served.
    pub(crate) fn check_ready(&self) -> Result<(), StorageError> {
        self.database.check_writable()?;
        self.statistics().map(drop)
    }
}

impl From<BlobRecord> for StoredAt {
    fn from(record: BlobRecord) -> Self {
        let BlobRecord {
            size,
            location,
            check,
            damaged: _,
        } = record;
        Self {
            size,
            location,
            check,
        }
    }
}

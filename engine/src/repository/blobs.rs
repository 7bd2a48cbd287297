//! Blobs of one repository: stat, open, delete, mount, and the uploads that make them.

use super::Repository;
use crate::blob::BlobReader;
use crate::blob::store::{BlobStore, Stored};
use crate::digest::{Algorithm, Digest};
use crate::fault::{Corruption, StorageError};
use crate::name::RepositoryName;
use crate::upload::{UploadError, UploadId, UploadSession, UploadStatus};
use bytes::Bytes;
use std::io;

/// What is known of a blob without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobStat {
    /// The digest it was asked for by.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Why a request on a blob was refused.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// This repository does not hold it, or its content is known to be damaged (pushing it again
    /// heals it).
    #[error("blob {digest} is not in repository {repository}")]
    Unknown {
        /// The blob asked for.
        digest: Digest,
        /// The repository it was asked of.
        repository: RepositoryName,
    },
    /// It is not deleted because a manifest here links it (`Options::refuse_referenced`).
    #[error("blob {digest} of repository {repository} is linked by manifest {by}")]
    Referenced {
        /// The blob asked for.
        digest: Digest,
        /// The repository it was asked of.
        repository: RepositoryName,
        /// One of the manifests that link it.
        by: Digest,
    },
    /// The machine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

// === impl Repository ===

impl Repository {
    /// What is known of a blob this repository holds. The answer is a lease: the blob stays at
    /// least for `Options::lease`, even if nothing links it.
    ///
    /// # Errors
    /// [`BlobError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn stat_blob(&self, digest: &Digest) -> Result<BlobStat, BlobError> {
        let found = self.engine.meta.blob(self.name(), digest)?;
        let found = found.ok_or_else(|| self.unknown_blob(digest))?;
        if found.needs_lease {
            self.engine.meta.lease_blob(self.name(), digest).await?;
        }
        Ok(BlobStat {
            digest: *digest,
            size: found.stored.size,
        })
    }

    /// Opens a blob this repository holds.
    ///
    /// # Errors
    /// [`BlobError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn blob(&self, digest: &Digest) -> Result<BlobReader, BlobError> {
        let mut known = None;
        loop {
            let found = self.engine.meta.blob(self.name(), digest)?;
            let stored = found.ok_or_else(|| self.unknown_blob(digest))?.stored;
            let opened = self.engine.store.open(Stored::of(*digest, stored)).await;
            match opened {
                Ok(content) => return Ok(BlobReader::new(*digest, stored.size, content)),
                // The record may have moved between reading it and opening its place: once more.
                Err(_) if known != Some(stored) => known = Some(stored),
                Err(error) if is_damage(&error) => {
                    tracing::error!(%digest, %error, "a stored blob is damaged; pushing it heals it");
                    self.engine
                        .meta
                        .mark_damaged(digest, stored.location)
                        .await?;
                    return Err(self.unknown_blob(digest));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes a blob out of this repository. On return, durably, it is not visible here; other
    /// repositories keep it, and its space comes back when none holds it. Links from manifests
    /// stay: pushing the blob again heals them. A lease does not hold it.
    ///
    /// # Errors
    /// [`BlobError`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn delete_blob(&self, digest: &Digest) -> Result<(), BlobError> {
        self.engine.meta.delete_blob(self.name(), digest).await
    }

    /// Links a blob of `source` into this repository without a copy. Durable on return. The caller
    /// has checked that `source` may be read.
    ///
    /// # Errors
    /// [`BlobError::Unknown`] naming `source` when it does not hold the blob.
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn mount(
        &self,
        digest: &Digest,
        source: &RepositoryName,
    ) -> Result<BlobStat, BlobError> {
        self.engine
            .meta
            .mount_blob(self.name(), source, digest)
            .await
    }

    /// Stores `content` as a blob in one call. Durable on return.
    ///
    /// # Errors
    /// [`UploadError`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn put_blob(
        &self,
        algorithm: Algorithm,
        content: Bytes,
    ) -> Result<Digest, UploadError> {
        let digest = Digest::of(algorithm, &content);
        let mut session = self.start_upload(algorithm)?;
        session.append(content).await?;
        session.finish(&digest).await?;
        Ok(digest)
    }

    /// Starts an upload whose content is hashed with `algorithm` as it arrives. Writes nothing:
    /// the id alone proves that it was started.
    ///
    /// # Errors
    /// [`UploadError::Storage`] when the machine gives no random numbers.
    pub fn start_upload(&self, algorithm: Algorithm) -> Result<UploadSession, UploadError> {
        self.engine.uploads.start(self.name(), algorithm)
    }

    /// How far an upload is. Does not disturb its writer.
    ///
    /// # Errors
    /// [`UploadError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn upload_status(&self, id: &UploadId) -> Result<UploadStatus, UploadError> {
        self.engine.uploads.status(self.name(), id).await
    }

    /// Opens an upload to go on with it. A session that still writes it is fenced first: what it
    /// had delivered is kept, and the offset of the returned session is behind it.
    ///
    /// # Errors
    /// [`UploadError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn resume_upload(&self, id: &UploadId) -> Result<UploadSession, UploadError> {
        self.engine.uploads.resume(self.name(), id).await
    }

    fn unknown_blob(&self, digest: &Digest) -> BlobError {
        BlobError::Unknown {
            digest: *digest,
            repository: self.name().clone(),
        }
    }
}

/// Whether an error says that the bytes are not there or not the blob's, rather than that the
/// medium did not answer.
fn is_damage(error: &StorageError) -> bool {
    match error {
        StorageError::Corrupt(Corruption::Blob(_)) => true,
        StorageError::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

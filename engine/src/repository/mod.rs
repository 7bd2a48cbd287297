//! [`Repository`]: one repository's view of the store, and what can be asked of it.
//!
//! A blob or manifest is visible only through a repository that holds it: knowing a digest gives
//! nobody access to it in another repository. A repository exists as long as it holds something or
//! was created; pushing into one that does not exist makes it.
//!
//! One file per kind of request: blobs here, `manifests`, `tags`, `referrers`, `undo`, and `details`.

mod blobs;
mod details;
mod manifests;
mod referrers;
mod tags;
mod undo;

pub use blobs::{BlobError, BlobStat};
pub use details::{ManifestDetail, TagDetail};
pub use manifests::{
    Manifest, ManifestError, ManifestStat, Missing, Naming, PutManifest, StoredManifest,
    TagCondition, TagImmutable,
};
pub use referrers::{Referrer, ReferrersQuery};
pub use undo::{DeletedManifest, RestoreError, RestoredManifest, TagChange, TagEvent};

use crate::engine::Inner;
use crate::fault::StorageError;
use crate::name::RepositoryName;
use crate::policy::ImmutableTags;
use std::sync::Arc;

/// A handle on one repository, which may not exist (yet). Cheap to clone; making one does nothing.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) engine: Arc<Inner>,
    name: RepositoryName,
    immutable: ImmutableTags,
}

/// Why a request on a repository as a whole was refused.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is no repository of this name.
    #[error("repository {0} does not exist")]
    Unknown(RepositoryName),
    /// The machine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

// === impl Repository ===

impl Repository {
    pub(crate) fn new(engine: Arc<Inner>, name: RepositoryName) -> Self {
        Self {
            engine,
            name,
            immutable: ImmutableTags::default(),
        }
    }

    /// The same repository, seen by requests for which these tags are immutable: they may be set if
    /// they name nothing or the same manifest already, and neither move nor go. What sets or deletes
    /// tags through this handle is checked against that within its transaction, so that of two who
    /// set one at the same time one is refused. Deleting the repository takes them with it, as does a
    /// policy.
    #[must_use]
    pub fn with_immutable(self, immutable: ImmutableTags) -> Self {
        Self { immutable, ..self }
    }

    /// Name and immutable tags, as the metadata is asked.
    pub(crate) fn guarded(&self) -> (&RepositoryName, &ImmutableTags) {
        (&self.name, &self.immutable)
    }

    /// Its name.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Whether it exists.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn exists(&self) -> Result<bool, StorageError> {
        self.engine.meta.repository_exists(&self.name)
    }

    /// Creates it, so that it exists while it is empty; returns whether it was new. Durable on
    /// return.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn create(&self) -> Result<bool, StorageError> {
        self.engine.meta.create_repository(&self.name).await
    }

    /// Deletes it with everything in it. On return, durably, nothing of it is visible; it can be
    /// restored as a whole for `Options::undo` (`Engine::restore_repository`), then its rows and its
    /// blobs that no other repository holds go in the background.
    ///
    /// # Errors
    /// [`RepositoryError`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn delete(&self) -> Result<(), RepositoryError> {
        self.engine.meta.delete_repository(&self.name).await
    }
}

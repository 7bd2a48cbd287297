//! [`Repository`]: one repository's view of the store, and what can be asked of it.
//!
//! A blob or manifest is visible only through a repository that holds it: knowing a digest gives
//! nobody access to it in another repository. A repository exists as long as it holds something or
//! was created; pushing into one that does not exist makes it.
//!
//! One file per kind of request: blobs here, `manifests`, `tags`, `referrers`, `undo`.

mod blobs;
mod manifests;
mod referrers;
mod tags;
mod undo;

pub use blobs::{BlobError, BlobStat};
pub use manifests::{
    Manifest, ManifestError, ManifestStat, Missing, Naming, PutManifest, StoredManifest,
    TagCondition,
};
pub use referrers::{Referrer, ReferrersQuery};
pub use undo::{DeletedManifest, RestoreError, RestoredManifest, TagChange, TagEvent};

use crate::engine::Inner;
use crate::fault::StorageError;
use crate::name::RepositoryName;
use std::sync::Arc;

/// A handle on one repository, which may not exist (yet). Cheap to clone; making one does nothing.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) engine: Arc<Inner>,
    name: RepositoryName,
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
        Self { engine, name }
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

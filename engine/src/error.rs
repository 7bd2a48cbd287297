//! [`Error`]: one type over the operations' errors, for callers who want no more than that.

use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::gc::CollectError;
use crate::repository::{BlobError, ManifestError, RepositoryError, RestoreError};
use crate::upload::UploadError;

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each variant is documented on the error it wraps"
)]
pub enum Error {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

//! Tags of one repository: list by page, delete. They are set together with a manifest.

use super::{ManifestError, Repository, RepositoryError};
use crate::name::Tag;
use crate::page::{Listing, Page};

// === impl Repository ===

impl Repository {
    /// Its tags in ascending byte order. Costs in proportion to the page.
    ///
    /// # Errors
    /// [`RepositoryError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn tags(&self, page: Page<String>) -> Result<Listing<Tag>, RepositoryError> {
        let tags = self.engine.meta.tags(self.name(), &page)?;
        tags.ok_or_else(|| RepositoryError::Unknown(self.name().clone()))
    }

    /// Deletes a tag; the manifest it names stays. Durable on return. It can be restored.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`], [`ManifestError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn delete_tag(&self, tag: &Tag) -> Result<(), ManifestError> {
        self.engine.meta.delete_tag(self.name(), tag).await
    }
}

//! Tags of one repository: list by page, set, delete. A push sets them together with a manifest.

use super::{ManifestError, Repository, RepositoryError, TagCondition};
use crate::digest::Digest;
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

    /// Makes a tag name a manifest that is here, as a push of it would; answers what it named before.
    /// Durable on return.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`]: the manifest is not here. [`ManifestError::Condition`],
    /// [`ManifestError::Immutable`], [`ManifestError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn set_tag(
        &self,
        tag: &Tag,
        digest: &Digest,
        condition: TagCondition,
    ) -> Result<Option<Digest>, ManifestError> {
        let meta = &self.engine.meta;
        meta.set_tag(self.guarded(), tag, digest, condition).await
    }

    /// Deletes a tag; the manifest it names stays. Durable on return. It can be restored.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`], [`ManifestError::Immutable`], [`ManifestError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn delete_tag(&self, tag: &Tag) -> Result<(), ManifestError> {
        self.engine.meta.delete_tag(self.guarded(), tag).await
    }
}

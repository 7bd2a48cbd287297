//! What people want to know of a repository: its tags and manifests in detail, and what it holds.
//!
//! Each call reads one view of the store, so what it answers was true at one moment.

use super::{ManifestError, Repository, RepositoryError};
use crate::descriptor::MediaType;
use crate::digest::Digest;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::gc::RepositoryUsage;
use crate::meta::Wanted;
use crate::name::{Reference, Tag};
use crate::page::{Listing, Page, Part};
use std::sync::Arc;

/// What is known of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDetail {
    /// The tag.
    pub tag: Tag,
    /// The manifest it names.
    pub digest: Digest,
    /// That manifest's media type.
    pub media_type: MediaType,
    /// That manifest's length in bytes, without what it links.
    pub size: u64,
    /// When it was set last, in milliseconds since the epoch by the wall clock.
    pub updated: u64,
    /// When that manifest was pulled or told of last, by whatever name, in milliseconds since the
    /// epoch. It is recorded to an hour, only while a policy asks for it (`None` then, too), and in
    /// engine time, which stands still while the store is closed: the pull was earlier by as long as
    /// the store was closed since.
    pub last_pull: Option<u64>,
}

/// What is known of a manifest without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestDetail {
    /// Its digest.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
    /// When it was pushed first, in milliseconds since the epoch by the wall clock.
    pub pushed: u64,
    /// The first tags that name it, in ascending order; at most [`ManifestDetail::TAGS_SHOWN`].
    pub tags: Vec<Tag>,
    /// Whether more tags name it.
    pub more_tags: bool,
    /// As its pusher's `Links` said.
    pub artifact_type: Option<String>,
}

// === impl ManifestDetail ===

impl ManifestDetail {
    /// How many tags are named.
    pub const TAGS_SHOWN: usize = 100;
}

// === impl Repository ===

impl Repository {
    /// Its tags in ascending byte order; with a filter those whose name contains it. Looks at 10,000
    /// tags at most, so that a page may be short, even empty, while more follows: the next one begins
    /// behind `next`.
    ///
    /// # Errors
    /// [`RepositoryError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn tag_details(
        &self,
        page: Page<String>,
        filter: Option<&str>,
    ) -> Result<Part<TagDetail>, RepositoryError> {
        let wanted = filter.map_or(Wanted::All, Wanted::Containing);
        let tags = self.engine.meta.tag_details(self.name(), wanted, &page)?;
        tags.ok_or_else(|| self.unknown())
    }

    /// Its manifests in the order of their digests' keys. Costs in proportion to the page.
    ///
    /// # Errors
    /// [`RepositoryError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn manifests(
        &self,
        page: Page<Digest>,
    ) -> Result<Listing<ManifestDetail>, RepositoryError> {
        let manifests = self.engine.meta.manifest_details(self.name(), &page)?;
        manifests.ok_or_else(|| self.unknown())
    }

    /// What is known of a manifest by tag or digest, without reading its bytes.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`], [`ManifestError::Storage`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn manifest_detail(
        &self,
        reference: &Reference,
    ) -> Result<ManifestDetail, ManifestError> {
        let found = self.engine.meta.manifest_detail(self.name(), reference)?;
        found.ok_or_else(|| self.unknown_manifest(reference))
    }

    /// What it holds. Costs in proportion to that.
    ///
    /// # Errors
    /// [`RepositoryError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn usage(&self) -> Result<RepositoryUsage, RepositoryError> {
        let (meta, name) = (Arc::clone(&self.engine.meta), self.name().clone());
        let usage = blocking(move || meta.usage_of(&name)).await?;
        usage.ok_or_else(|| self.unknown())
    }

    /// Whether other repositories hold these blobs as well, one answer for each in their order;
    /// `None`: this one does not hold it. Others that were deleted count until their rows are gone.
    /// Costs in proportion to `digests`, at most two reads for each.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn shared(&self, digests: &[Digest]) -> Result<Vec<Option<bool>>, StorageError> {
        self.engine.meta.shared(self.name(), digests)
    }

    fn unknown(&self) -> RepositoryError {
        RepositoryError::Unknown(self.name().clone())
    }
}

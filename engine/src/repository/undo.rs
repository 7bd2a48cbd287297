//! Undoing: what was deleted from a repository, what its tags named before, and restoring both.
//!
//! 1. What was deleted can be restored for `Options::undo`, counted in engine time; then it is gone.
//! 2. Restoring never overwrites what was pushed since: a tag that names something else keeps it.
//! 3. A restored manifest is what it was, byte for byte. Blobs that were deleted by themselves do
//!    not come back with it; pushing them heals it.

use super::{Repository, TagImmutable};
use crate::clock::EngineTime;
use crate::descriptor::MediaType;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{RepositoryName, Tag};
use crate::page::{Listing, Page};
use std::time::Duration;

/// A deleted manifest that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedManifest {
    /// Its digest.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
    /// The first tags it had, in ascending order; at most 32.
    pub tags: Vec<Tag>,
    /// When it was deleted, in milliseconds since the epoch by the wall clock.
    pub deleted: u64,
    /// For how long it can still be restored, in engine time. Zero: until the collector's next turn.
    pub left: Duration,
}

/// What restoring a manifest came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// The tags that name it again.
    pub tags: Vec<Tag>,
    /// The tags it had that name something else meanwhile, and still do.
    pub taken: Vec<Tag>,
    /// Its configuration and layers that are not in the repository.
    pub missing_blobs: Vec<Digest>,
}

/// One change of what a tag names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// What happened.
    pub event: TagEvent,
    /// What the tag names since, or named until then if it was deleted.
    pub digest: Digest,
    /// The media type of that manifest then.
    pub media_type: MediaType,
    /// When, in milliseconds since the epoch by the wall clock.
    pub at: u64,
    /// When, in engine time.
    pub time: EngineTime,
}

/// What happened to a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagEvent {
    /// It named nothing and was set.
    Set,
    /// It named another manifest and was overwritten.
    Moved,
    /// It was deleted.
    Deleted,
    /// The manifest it named was deleted.
    ManifestDeleted,
    /// It was restored.
    Restored,
}

/// Why something cannot be restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// No manifest of this digest was deleted here within the undo period, or it is there.
    #[error("manifest {digest} of repository {repository} is not among the deleted ones")]
    Manifest {
        /// The manifest asked for.
        digest: Digest,
        /// The repository it was asked of.
        repository: RepositoryName,
    },
    /// Nothing is known of what the tag named before.
    #[error("nothing is known of what tag {tag} of repository {repository} named before")]
    Tag {
        /// The tag asked for.
        tag: Tag,
        /// The repository it was asked of.
        repository: RepositoryName,
    },
    /// What the tag named before is gone for good.
    #[error("tag {tag} named manifest {digest} before, which cannot be restored any more")]
    ManifestGone {
        /// The tag asked for.
        tag: Tag,
        /// What it named.
        digest: Digest,
    },
    /// The tag is immutable ([`Repository::with_immutable`]) and names something.
    #[error(transparent)]
    Immutable(#[from] TagImmutable),
    /// No repository of this name was deleted within the undo period.
    #[error("repository {0} is not among the deleted ones")]
    Repository(RepositoryName),
    /// There is a new repository of this name, or one whose deleted manifests can be restored.
    #[error("there is a new repository {0}: the deleted one cannot take its place")]
    Exists(RepositoryName),
    /// The machine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

// === impl TagEvent ===

impl TagEvent {
    /// Whether the tag names nothing afterwards.
    pub fn is_end(self) -> bool {
        match self {
            Self::Deleted | Self::ManifestDeleted => true,
            Self::Set | Self::Moved | Self::Restored => false,
        }
    }
}

// === impl Repository ===

impl Repository {
    /// The manifests that were deleted and can be restored, in the order of their digests; none if
    /// the repository does not exist. Costs in proportion to the page.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn deleted(
        &self,
        page: Page<Digest>,
    ) -> Result<Listing<DeletedManifest>, StorageError> {
        self.engine.meta.deleted_manifests(self.name(), &page)
    }

    /// Restores a deleted manifest with its links, and with those of its tags that name nothing
    /// meanwhile. Durable on return. Costs in proportion to its tags.
    ///
    /// # Errors
    /// [`RestoreError::Manifest`], [`RestoreError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn restore_manifest(
        &self,
        digest: &Digest,
    ) -> Result<RestoredManifest, RestoreError> {
        self.engine.meta.restore_manifest(self.name(), digest).await
    }

    /// Makes a tag name the manifest it named before it was last overwritten or deleted, and answers
    /// which that is. If that manifest was deleted it is restored, without its other tags. Durable
    /// on return. Doing it twice comes back to the beginning.
    ///
    /// # Errors
    /// [`RestoreError::Tag`], [`RestoreError::ManifestGone`], [`RestoreError::Immutable`],
    /// [`RestoreError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn restore_tag(&self, tag: &Tag) -> Result<Digest, RestoreError> {
        self.engine.meta.restore_tag(self.guarded(), tag).await
    }

    /// What a tag named, the oldest change first, at most `Options::tag_history` of them. It is kept
    /// as long as the tag names something, and for the undo period after.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn tag_history(&self, tag: &Tag) -> Result<Vec<TagChange>, StorageError> {
        self.engine.meta.tag_history(self.name(), tag)
    }
}

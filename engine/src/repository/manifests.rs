//! Manifests of one repository: stored as the bytes they were sent as, with media type and links.

use super::Repository;
use crate::descriptor::{Links, MediaType};
use crate::digest::{Algorithm, Digest};
use crate::fault::StorageError;
use crate::name::{Reference, RepositoryName, Tag};
use bytes::Bytes;

/// A manifest to be stored.
#[derive(Debug, Clone)]
pub struct PutManifest {
    /// The bytes, kept as they are.
    pub content: Bytes,
    /// The media type it is answered with.
    pub media_type: MediaType,
    /// What it points at, as the caller parsed it.
    pub links: Links,
    /// How its digest comes about.
    pub naming: Naming,
    /// Tags that shall name it from now on.
    pub tags: Vec<Tag>,
    /// What must hold of every one of `tags` beforehand.
    pub condition: TagCondition,
    /// What happens when its configuration or a layer is not in the repository.
    pub missing_blobs: Missing,
    /// What happens when a child of an index is neither a manifest nor a blob of the repository.
    pub missing_children: Missing,
}

/// How the digest of a manifest comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It is computed.
    Computed(Algorithm),
    /// The caller says what it is; anything else is refused.
    Claimed(Digest),
}

/// What happens when something a manifest links is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The manifest is stored; the link waits for its target.
    Accept,
    /// The manifest is refused.
    Refuse,
}

/// What must hold of a tag for it to be set. Compared and set in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TagCondition {
    /// Nothing.
    #[default]
    Always,
    /// It names nothing yet (`If-None-Match: *`).
    Absent,
    /// It names something (`If-Match: *`).
    Present,
    /// It names one of these (`If-Match`).
    Names(Vec<Digest>),
    /// It names none of these (`If-None-Match`).
    NamesNot(Vec<Digest>),
}

/// What storing a manifest came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// Whether the repository did not have it before.
    pub created: bool,
}

/// What is known of a manifest without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestStat {
    /// Its digest.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
}

/// A stored manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: MediaType,
    /// Its bytes as they were pushed.
    pub content: Bytes,
}

/// Why a request on a manifest or tag was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The repository has no such manifest or tag.
    #[error("manifest {reference} is not in repository {repository}")]
    Unknown {
        /// What was asked for.
        reference: Reference,
        /// The repository it was asked of.
        repository: RepositoryName,
    },
    /// Blobs it needs are not in the repository.
    #[error("{} blobs the manifest needs are not in the repository, the first is {}", .0.len(),
        .0.first().map_or_else(String::new, Digest::to_string))]
    MissingBlobs(Vec<Digest>),
    /// Children it needs are not in the repository.
    #[error("{} manifests the index needs are not in the repository, the first is {}", .0.len(),
        .0.first().map_or_else(String::new, Digest::to_string))]
    MissingChildren(Vec<Digest>),
    /// The content is not what the caller said it was.
    #[error("content is {actual}, not {claimed}")]
    DigestMismatch {
        /// What the caller said.
        claimed: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A tag does not meet the condition.
    #[error("tag {tag} names {}, which the condition does not allow",
        .names.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()))]
    Condition {
        /// The tag.
        tag: Tag,
        /// What it names.
        names: Option<Digest>,
    },
    /// A tag is immutable ([`Repository::with_immutable`]).
    #[error(transparent)]
    Immutable(#[from] TagImmutable),
    /// The machine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An immutable tag would have moved or gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tag {tag} is immutable: it names {current} and {}",
    .wanted.map_or_else(|| "cannot be deleted".to_owned(), |wanted| format!("cannot name {wanted}")))]
pub struct TagImmutable {
    /// The tag.
    pub tag: Tag,
    /// What it names, and goes on to name.
    pub current: Digest,
    /// What it should have named; `None`: nothing.
    pub wanted: Option<Digest>,
}

// === impl Manifest ===

impl Manifest {
    /// What is known of it without its bytes.
    pub(crate) fn stat(self) -> ManifestStat {
        ManifestStat {
            digest: self.digest,
            size: self.content.len() as u64,
            media_type: self.media_type,
        }
    }
}

// === impl PutManifest ===

impl PutManifest {
    /// A manifest under its SHA-256 digest and no tag, whose configuration and layers must be in the
    /// repository; the children of an index may come later.
    pub fn new(content: impl Into<Bytes>, media_type: MediaType, links: Links) -> Self {
        Self {
            content: content.into(),
            media_type,
            links,
            naming: Naming::Computed(Algorithm::Sha256),
            tags: Vec::new(),
            condition: TagCondition::Always,
            missing_blobs: Missing::Refuse,
            missing_children: Missing::Accept,
        }
    }
}

// === impl TagCondition ===

impl TagCondition {
    /// Whether a tag that names `names` may be set.
    pub(crate) fn allows(&self, names: Option<Digest>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => names.is_none(),
            Self::Present => names.is_some(),
            Self::Names(these) => names.is_some_and(|digest| these.contains(&digest)),
            Self::NamesNot(these) => names.is_none_or(|digest| !these.contains(&digest)),
        }
    }
}

// === impl Repository ===

impl Repository {
    /// Stores a manifest, its links and its tags, all or nothing. Durable on return.
    ///
    /// Storing one that is there already sets its tags, and its media type if that differs.
    ///
    /// # Errors
    /// [`ManifestError`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn put_manifest(&self, put: PutManifest) -> Result<StoredManifest, ManifestError> {
        let digest = match put.naming {
            Naming::Computed(algorithm) => Digest::of(algorithm, &put.content),
            Naming::Claimed(claimed) => {
                let actual = Digest::of(claimed.algorithm(), &put.content);
                if actual != claimed {
                    return Err(ManifestError::DigestMismatch { claimed, actual });
                }
                actual
            }
        };
        self.engine
            .meta
            .put_manifest(self.guarded(), digest, put)
            .await
    }

    /// A manifest by tag or digest.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`], [`ManifestError::Storage`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn manifest(&self, reference: &Reference) -> Result<Manifest, ManifestError> {
        let found = self.engine.meta.manifest(self.name(), reference)?;
        found.ok_or_else(|| self.unknown_manifest(reference))
    }

    /// What is known of a manifest, without reading its bytes.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`], [`ManifestError::Storage`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn stat_manifest(
        &self,
        reference: &Reference,
    ) -> Result<ManifestStat, ManifestError> {
        let found = self.engine.meta.stat_manifest(self.name(), reference)?;
        found.ok_or_else(|| self.unknown_manifest(reference))
    }

    /// Deletes a manifest with all its tags. On return, durably, none of them is visible. It can be
    /// restored for `Options::undo`; its links go then, and the blobs that lose their last link
    /// after the grace period.
    ///
    /// # Errors
    /// [`ManifestError::Unknown`]; [`ManifestError::Immutable`] naming one of its tags that may not go;
    /// [`ManifestError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn delete_manifest(&self, digest: &Digest) -> Result<(), ManifestError> {
        self.engine
            .meta
            .delete_manifest(self.guarded(), digest)
            .await
    }

    /// Notes that a manifest was pulled or told of, for policies that keep what is used. Cheap: it
    /// does nothing unless a policy asks for it, writes at most once an hour and manifest, and does
    /// not wait for the write. A crash may forget the last hour.
    ///
    /// # Errors
    /// [`StorageError`]: the metadata could not be read.
    pub fn note_pull(&self, digest: &Digest) -> Result<(), StorageError> {
        if !self.engine.policies.need_pulls() {
            return Ok(());
        }
        self.engine.meta.note_pull(self.name(), digest)
    }

    pub(super) fn unknown_manifest(&self, reference: &Reference) -> ManifestError {
        ManifestError::Unknown {
            reference: reference.clone(),
            repository: self.name().clone(),
        }
    }
}

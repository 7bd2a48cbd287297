//! Why a digest is there, and what belongs to whom: the answers, as plain values.

use crate::clock::EngineTime;
use crate::descriptor::MediaType;
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};

/// Why a digest is there: who holds it and what leads to it.
///
/// Uploads are not among the reasons: what a client uploads has no digest until it is finished and
/// verified, and from then on it is a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What was asked for.
    pub digest: Digest,
    /// The time that the other times are to be compared with.
    pub now: EngineTime,
    /// Where its bytes lie, if it is a blob. A manifest's lie in the metadata.
    pub blob: Option<StoredBytes>,
    /// A page of the repositories that hold it, oldest repository first.
    pub holders: Vec<Holder>,
    /// More hold it.
    pub more_holders: bool,
}

/// The bytes of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBytes {
    /// How many.
    pub size: u64,
    /// They are known not to be what they should be: they are not served, and a push heals them.
    pub damaged: bool,
    /// Where they lie.
    pub location: StoredIn,
}

/// Where the bytes of a blob lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredIn {
    /// In a file of its own.
    File {
        /// The file's number.
        number: u64,
    },
    /// In a segment file, beside others.
    Segment {
        /// The file's number.
        number: u64,
        /// Where the blob begins in it.
        offset: u64,
    },
}

/// A repository that holds a digest, and what in it leads there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Where the next page begins if this is the last of its page.
    pub position: u64,
    /// The repository.
    pub repository: RepositoryName,
    /// Whether it still exists.
    pub state: HolderState,
    /// How it stands with the digest as a blob; `None`: it is a manifest alone.
    pub blob: Option<Standing>,
    /// Its media type as a manifest here. A manifest stays until it is deleted.
    pub manifest: Option<MediaType>,
    /// Until when it can be restored here as a manifest, if it was deleted.
    pub deleted_until: Option<EngineTime>,
    /// How many manifests and places in them keep it here.
    pub edges_that_keep: u64,
    /// The first edges that lead to it, and to what leads to it, nearest first.
    pub edges: Vec<Edge>,
    /// There are more edges.
    pub more_edges: bool,
    /// The first tags that reach it, each with the manifest it names.
    pub tags: Vec<(Tag, Digest)>,
    /// There are more tags.
    pub more_tags: bool,
}

/// Whether a repository still exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderState {
    /// It does.
    Live,
    /// It was deleted; the collector is about to remove its rows.
    Deleted,
}

/// How a repository stands with a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Something here links it.
    Kept,
    /// Nothing here links it.
    Garbage {
        /// Since when.
        since: EngineTime,
        /// Until when clients may rely on having been told of it.
        leased_until: EngineTime,
        /// When the collector takes it by itself.
        due: EngineTime,
    },
}

/// A link from a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// What it leads to: the digest asked for, or a manifest that leads there.
    pub target: Digest,
    /// What the manifest says it is.
    pub reason: EdgeReason,
    /// The manifest.
    pub source: Digest,
    /// The manifest can be pulled here; if not, it was deleted and its links still count.
    pub source_is_visible: bool,
    /// Until when the manifest can be restored, if it was deleted; then its links go.
    pub source_deleted_until: Option<EngineTime>,
    /// The edge's row cannot be read; it keeps its target all the same.
    pub is_damaged: bool,
}

/// What a manifest links something as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeReason {
    /// As its configuration.
    Config,
    /// As a layer.
    Layer,
    /// As a layer that may lie elsewhere.
    ForeignLayer,
    /// As a child of an index.
    Child,
    /// As the subject it refers to; that keeps nothing.
    Subject,
}

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUsage {
    /// The repository.
    pub repository: RepositoryName,
    /// Blobs in it.
    pub blobs: u64,
    /// Manifests in it.
    pub manifests: u64,
    /// Tags that name one of them.
    pub tags: u64,
    /// Bytes of blobs that no other repository holds.
    pub own_bytes: u64,
    /// Bytes of blobs that others hold too.
    pub shared_bytes: u64,
    /// The part of both that no manifest here links, due or not.
    pub garbage_bytes: u64,
    /// Bytes of its manifests.
    pub manifest_bytes: u64,
    /// When a manifest was put here that was not here before, or a tag was set, in milliseconds
    /// since the epoch by the wall clock: the last time of those that are still here.
    pub last_push: Option<u64>,
    /// When a manifest was pulled that is still here, as `repository::TagDetail::last_pull` says.
    pub last_pull: Option<u64>,
    /// Rows that could not be read, and are in none of the sums.
    pub unreadable: u64,
}

/// What the store holds as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreUsage {
    /// Bytes of the blobs of all repositories, counted in each that holds them.
    pub logical_bytes: u64,
    /// Bytes of the blobs, each counted once: what they take on the disk.
    pub stored_bytes: u64,
    /// The part of `logical_bytes` that no manifest of its repository links, due or not.
    pub garbage_bytes: u64,
    /// Bytes of blobs that are gone and whose space is about to come back.
    pub waiting_bytes: u64,
    /// Uploads at rest or open.
    pub uploads: u64,
    /// What clients have sent of those at rest.
    pub upload_bytes: u64,
    /// What is free on the disk for this process; `None` when the disk does not tell.
    pub free_bytes: Option<u64>,
}

// === impl EdgeReason ===

impl EdgeReason {
    /// What it is, in few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Layer => "layer",
            Self::ForeignLayer => "foreign-layer",
            Self::Child => "child",
            Self::Subject => "subject",
        }
    }

    /// Whether such a link keeps what it leads to.
    pub fn keeps(self) -> bool {
        self != Self::Subject
    }
}

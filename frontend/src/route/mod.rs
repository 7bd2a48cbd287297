//! [`Route`]: what a request asks for, one variant per endpoint; parsed purely, before anything else.
//!
//! 1. The path is split at `/` first and each segment decoded after, and a segment that decodes to
//!    one with a `/`, a NUL or invalid UTF-8 is refused: no encoding changes which endpoint is meant.
//! 2. Paths are read from the right, so a repository may be called `blobs`, `tags` or `a/manifests`.
//! 3. Names, tags and digests in a `Route` are validated values; nothing else reaches a handler.
//! 4. This enum is the only source of metric labels and of the scope a request needs.
//!
//! The grammar of paths and parameters is in `parse`.

mod parse;
#[cfg(test)]
mod tests;

use crate::manage::{ManageRoute, Problem};
use crate::page::PageQuery;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::{Reference, RepositoryName, Tag};
use floundr_engine::upload::UploadId;

/// One endpoint with its parameters. "end-n" is the specification's number of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// end-1: `GET /v2/`.
    Base,
    /// `GET /v2/_catalog`.
    Catalog(PageQuery),
    /// end-2: `GET /v2/<name>/blobs/<digest>`.
    BlobGet(RepositoryName, Digest),
    /// end-2: `HEAD` of the same.
    BlobHead(RepositoryName, Digest),
    /// end-10: `DELETE` of the same.
    BlobDelete(RepositoryName, Digest),
    /// end-4a, 4b, 4c, 11: `POST /v2/<name>/blobs/uploads/`.
    UploadStart(RepositoryName, UploadStart),
    /// end-13: `GET /v2/<name>/blobs/uploads/<id>`.
    UploadStatus(RepositoryName, UploadId),
    /// end-5: `PATCH` of the same.
    UploadChunk(RepositoryName, UploadId),
    /// end-6: `PUT` of the same with `?digest=`.
    UploadFinish(RepositoryName, UploadId, Digest),
    /// end-14: `DELETE` of the same.
    UploadCancel(RepositoryName, UploadId),
    /// end-3: `GET /v2/<name>/manifests/<reference>`.
    ManifestGet(RepositoryName, Reference),
    /// end-3: `HEAD` of the same.
    ManifestHead(RepositoryName, Reference),
    /// end-7a, 7b: `PUT` of the same, by digest with more `?tag=`s.
    ManifestPut(RepositoryName, Reference, Vec<Tag>),
    /// end-9: `DELETE` of the same.
    ManifestDelete(RepositoryName, Reference),
    /// end-8a, 8b: `GET /v2/<name>/tags/list`.
    TagsList(RepositoryName, PageQuery),
    /// end-12a, 12b: `GET /v2/<name>/referrers/<digest>`.
    Referrers(RepositoryName, ReferrersOf),
    /// `GET /auth/token`: a token for who the credentials say, or for nobody.
    TokenGet,
    /// `POST /auth/token`: the same by a form, with a password or a refresh token.
    TokenPost,
    /// `GET /health`: this process runs.
    Health,
    /// `GET /ready`: the store can serve.
    Ready,
    /// `GET /metrics`: counters for Prometheus.
    Metrics,
    /// `/api/v1` and everything below it, for the management API: an endpoint of it, or what it
    /// says to what is none.
    Manage(Result<ManageRoute, Problem>),
}

/// The parameters of an upload's start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadStart {
    /// `mount` and `from`. A mount that cannot be read is none: the client gets a session instead.
    pub mount: Option<Mount>,
    /// `digest`: the whole blob follows as the body.
    pub digest: Option<Digest>,
    /// `digest-algorithm`: what the session hashes with.
    pub algorithm: Option<Algorithm>,
}

/// A blob to take over from another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The blob.
    pub digest: Digest,
    /// Where it is; any repository that has it when absent.
    pub from: Option<RepositoryName>,
}

/// The parameters of a referrers listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrersOf {
    /// The manifest that is referred to.
    pub subject: Digest,
    /// Only referrers of this type.
    pub artifact_type: Option<String>,
    /// Only those behind this digest.
    pub after: Option<Digest>,
    /// At most this many.
    pub page: PageQuery,
}

/// What a request does with its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reads.
    Pull,
    /// Writes.
    Push,
    /// Deletes.
    Delete,
}

/// What a request touches: what an identity must be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Nothing of value, or what says itself what it needs: health, readiness, tokens.
    Open,
    /// The registry as such: the base endpoint, where clients log in.
    Registry,
    /// The list of repositories.
    Catalog,
    /// The server's inner figures.
    Metrics,
    /// What the management API decides itself, see [`crate::manage::route::Need`].
    Management,
    /// One repository.
    Repository(&'a RepositoryName, Action),
}

// === impl Route ===

impl Route {
    /// The name in metrics and in the access log.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Catalog(..) => "catalog",
            Self::BlobGet(..) => "blob_get",
            Self::BlobHead(..) => "blob_head",
            Self::BlobDelete(..) => "blob_delete",
            Self::UploadStart(..) => "upload_start",
            Self::UploadStatus(..) => "upload_status",
            Self::UploadChunk(..) => "upload_chunk",
            Self::UploadFinish(..) => "upload_finish",
            Self::UploadCancel(..) => "upload_cancel",
            Self::ManifestGet(..) => "manifest_get",
            Self::ManifestHead(..) => "manifest_head",
            Self::ManifestPut(..) => "manifest_put",
            Self::ManifestDelete(..) => "manifest_delete",
            Self::TagsList(..) => "tags_list",
            Self::Referrers(..) => "referrers",
            Self::TokenGet => "token_get",
            Self::TokenPost => "token_post",
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
            Self::Manage(Ok(route)) => route.label(),
            Self::Manage(Err(_)) => "api_unknown",
        }
    }

    /// What it touches. A mount also reads from its source: see [`Mount::from`].
    pub const fn scope(&self) -> Scope<'_> {
        match self {
            Self::Base => Scope::Registry,
            Self::Catalog(..) => Scope::Catalog,
            Self::BlobGet(name, _)
            | Self::BlobHead(name, _)
            | Self::ManifestGet(name, _)
            | Self::ManifestHead(name, _)
            | Self::TagsList(name, _)
            | Self::Referrers(name, _) => Scope::Repository(name, Action::Pull),
            Self::UploadStart(name, _)
            | Self::UploadStatus(name, _)
            | Self::UploadChunk(name, _)
            | Self::UploadFinish(name, ..)
            | Self::UploadCancel(name, _)
            | Self::ManifestPut(name, ..) => Scope::Repository(name, Action::Push),
            Self::BlobDelete(name, _) | Self::ManifestDelete(name, _) => {
                Scope::Repository(name, Action::Delete)
            }
            Self::TokenGet | Self::TokenPost | Self::Health | Self::Ready => Scope::Open,
            Self::Metrics => Scope::Metrics,
            Self::Manage(_) => Scope::Management,
        }
    }

    /// Whether it is on the address of an upload session, which only those know who were allowed to
    /// open it.
    pub(crate) const fn is_of_session(&self) -> bool {
        matches!(
            self,
            Self::UploadStatus(..)
                | Self::UploadChunk(..)
                | Self::UploadFinish(..)
                | Self::UploadCancel(..)
        )
    }

    /// The repository it is about, if it is about one.
    pub const fn repository(&self) -> Option<&RepositoryName> {
        match self.scope() {
            Scope::Repository(name, _) => Some(name),
            Scope::Open | Scope::Registry | Scope::Catalog | Scope::Metrics | Scope::Management => {
                None
            }
        }
    }
}

// === impl Action ===

impl Action {
    /// The word in a token's scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

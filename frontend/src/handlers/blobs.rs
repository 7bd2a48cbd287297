//! Blobs: pull, check, delete (end-2, end-10).
//!
//! The answer of `HEAD` is a lease: the engine keeps the blob for a while after saying it is there.

use super::conditions::{self, Wanted};
use crate::body::{Body, Transport};
use crate::error::ApiError;
use crate::range::Selection;
use crate::response::{self, Entity};
use floundr_engine::Repository;
use floundr_engine::digest::Digest;
use http::Response;
use http::request::Parts;

/// `GET`: the bytes, or a range of them.
pub(super) async fn get(
    repository: &Repository,
    digest: &Digest,
    parts: &Parts,
) -> Result<Response<Body>, ApiError> {
    let blob = repository.blob(digest).await?;
    let size = blob.size();
    let entity = Entity {
        digest: *digest,
        size,
        media_type: None,
    };
    let transport = parts.extensions.get().copied().unwrap_or(Transport::Other);
    Ok(match conditions::wanted(&parts.headers, digest, size)? {
        Wanted::NotModified => entity.not_modified(),
        Wanted::Content(Selection::Part(part)) => {
            entity.part(&part, Body::blob(blob, part.clone(), transport))
        }
        Wanted::Content(Selection::Whole | Selection::Unsatisfiable) => {
            entity.whole(Body::blob(blob, 0..size, transport))
        }
    })
}

/// `HEAD`: that it is there, and how long it is.
pub(super) async fn head(
    repository: &Repository,
    digest: &Digest,
    parts: &Parts,
) -> Result<Response<Body>, ApiError> {
    let stat = repository.stat_blob(digest).await?;
    let entity = Entity {
        digest: *digest,
        size: stat.size,
        media_type: None,
    };
    if conditions::is_not_modified(&parts.headers, digest)? {
        return Ok(entity.not_modified());
    }
    Ok(entity.head())
}

/// `DELETE`: gone from this repository at once.
pub(super) async fn delete(
    repository: &Repository,
    digest: &Digest,
) -> Result<Response<Body>, ApiError> {
    repository.delete_blob(digest).await?;
    Ok(response::deleted())
}

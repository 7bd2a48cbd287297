//! Manifests: pull, check, push, delete (end-3, end-7a, end-7b, end-9).
//!
//! 1. What was pushed is answered, byte for byte and with the media type it came with. `Accept` is
//!    ignored: a digest has one content, and a client that cannot use it says so better than a 404.
//! 2. Manifest, links and tags are stored by one engine call, all or nothing.

use super::conditions::{self, Wanted};
use crate::access::Caller;
use crate::accounts::Permission;
use crate::body::Body;
use crate::config;
use crate::context::Context;
use crate::error::{ApiError, ErrorCode};
use crate::oci::media_type::Kind;
use crate::oci::{self, Parsed};
use crate::quota::{Purpose, Reservation, Room};
use crate::range::Selection;
use crate::request::{self, Incoming};
use crate::response::{self, Entity};
use bytes::Bytes;
use floundr_engine::Repository;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::{Reference, RepositoryName, Tag};
use floundr_engine::repository::{ManifestError, Missing, Naming, PutManifest};
use http::request::Parts;
use http::{Response, header};

/// Where a pushed manifest goes.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// The repository.
    pub(super) repository: Repository,
    /// What may be pushed into it.
    pub(super) room: Room,
    /// The tag to set or the digest it must have.
    pub(super) reference: &'a Reference,
    /// More tags to set, from `?tag=`.
    pub(super) tags: &'a [Tag],
}

/// The repository of a request that changes it, in which the rules make tags immutable.
pub(super) fn guarded(context: &Context, caller: &Caller, name: &RepositoryName) -> Repository {
    let immutable = caller.directory().immutable_tags(name.as_str());
    context.engine().repository(name).with_immutable(immutable)
}

// === impl Target ===

impl<'a> Target<'a> {
    pub(super) fn new(
        context: &Context,
        caller: &Caller,
        name: &RepositoryName,
        (reference, tags): (&'a Reference, &'a [Tag]),
    ) -> Self {
        Self {
            repository: guarded(context, caller, name),
            room: Room::new(context.quotas(), caller.directory(), name),
            reference,
            tags,
        }
    }
}

/// `GET`: the bytes as they were pushed.
pub(super) async fn get(
    repository: &Repository,
    reference: &Reference,
    parts: &Parts,
) -> Result<Response<Body>, ApiError> {
    let manifest = repository.manifest(reference).await?;
    note_pull(repository, &manifest.digest);
    let size = manifest.content.len() as u64;
    let entity = Entity {
        digest: manifest.digest,
        size,
        media_type: Some(&manifest.media_type),
    };
    Ok(
        match conditions::wanted(&parts.headers, &manifest.digest, size)? {
            Wanted::NotModified => entity.not_modified(),
            Wanted::Content(Selection::Part(part)) => {
                let within = |offset: u64| {
                    usize::try_from(offset).expect("a range of bytes in memory fits usize")
                };
                let bytes = manifest.content.slice(within(part.start)..within(part.end));
                entity.part(&part, Body::full(bytes))
            }
            Wanted::Content(Selection::Whole | Selection::Unsatisfiable) => {
                entity.whole(Body::full(manifest.content.clone()))
            }
        },
    )
}

/// `HEAD`: that it is there, its digest, type and length.
pub(super) async fn head(
    repository: &Repository,
    reference: &Reference,
    parts: &Parts,
) -> Result<Response<Body>, ApiError> {
    let stat = repository.stat_manifest(reference).await?;
    note_pull(repository, &stat.digest);
    let entity = Entity {
        digest: stat.digest,
        size: stat.size,
        media_type: Some(&stat.media_type),
    };
    if conditions::is_not_modified(&parts.headers, &stat.digest)? {
        return Ok(entity.not_modified());
    }
    Ok(entity.head())
}

/// For policies that keep what is used. `HEAD` counts: a client that has the image asks no more.
fn note_pull(repository: &Repository, digest: &Digest) {
    if let Err(error) = repository.note_pull(digest) {
        // The answer is right all the same.
        tracing::warn!(%digest, %error, "that a manifest was pulled could not be noted");
    }
}

/// `PUT`: stores it and sets its tags, if the conditions on the tags hold.
pub(super) async fn put<B: Incoming>(
    context: &Context,
    caller: &Caller,
    target: Target<'_>,
    (head, body): (&Parts, &mut B),
) -> Result<Response<Body>, ApiError> {
    let limits = oci::Limits {
        bytes: context.config().limits.manifest_bytes,
        ..oci::Limits::default()
    };
    let bytes = request::collect_manifest(&head.headers, body, limits.bytes).await?;
    // Who takes long to send it may have lost the right meanwhile.
    context
        .access()
        .still(caller, target.repository.name(), Permission::Push)?;
    let size = bytes.len() as u64;
    let parsed = oci::parse(&bytes, content_type(head)?, &limits)?;
    let reservation = reserve(&target, &bytes).await?;
    let subject = parsed.links.subject;
    let put = request_of(context, &target, head, bytes, parsed);
    let stored = target.repository.put_manifest(put).await?;
    reservation.commit(if stored.created { size } else { 0 });
    let name = target.repository.name();
    Ok(response::manifest_created(
        name,
        &stored.digest,
        subject.as_ref(),
        target.tags,
    ))
}

/// Reserves what a manifest takes. One that is there takes nothing: a full quota lets tags move.
async fn reserve(target: &Target<'_>, bytes: &Bytes) -> Result<Reservation, ApiError> {
    if target.room.is_unlimited() {
        return Ok(Reservation::unlimited());
    }
    let digest = match target.reference {
        Reference::Digest(digest) => *digest,
        Reference::Tag(_) => Digest::of(Algorithm::Sha256, bytes),
    };
    let reference = Reference::Digest(digest);
    match target.repository.stat_manifest(&reference).await {
        Ok(_) => Ok(Reservation::unlimited()),
        Err(ManifestError::Unknown { .. }) => {
            let size = bytes.len() as u64;
            Ok(target.room.reserve(Purpose::Content, size).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `DELETE`: by tag only the tag, by digest the manifest with all its tags.
pub(super) async fn delete(
    repository: &Repository,
    reference: &Reference,
) -> Result<Response<Body>, ApiError> {
    match reference {
        Reference::Tag(tag) => repository.delete_tag(tag).await?,
        Reference::Digest(digest) => repository.delete_manifest(digest).await?,
    }
    Ok(response::deleted())
}

/// `Content-Type`, which must be text, and there once, when it is there.
fn content_type(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let code = ErrorCode::ManifestInvalid;
    let value = request::single(&parts.headers, &header::CONTENT_TYPE, code)?;
    value
        .map(|value| {
            value
                .to_str()
                .map_err(|error| ApiError::from_error(ErrorCode::ManifestInvalid, error))
        })
        .transpose()
}

fn request_of(
    context: &Context,
    target: &Target<'_>,
    head: &Parts,
    bytes: Bytes,
    parsed: Parsed,
) -> PutManifest {
    let mut tags = target.tags.to_vec();
    let naming = match target.reference {
        Reference::Digest(digest) => Naming::Claimed(*digest),
        Reference::Tag(tag) => {
            tags.push(tag.clone());
            Naming::Computed(Algorithm::Sha256)
        }
    };
    tags.sort_unstable();
    tags.dedup();
    let config = context.config();
    // What an unknown type means by its descriptors is not known: nothing is demanded of them.
    let is_known = parsed.kind != Kind::Unknown;
    let missing = |setting| match setting {
        config::Missing::Refuse if is_known => Missing::Refuse,
        config::Missing::Refuse | config::Missing::Accept => Missing::Accept,
    };
    PutManifest {
        content: bytes,
        media_type: parsed.media_type,
        links: parsed.links,
        naming,
        tags,
        condition: request::tag_condition(&head.headers),
        missing_blobs: missing(config.missing_blobs),
        missing_children: missing(config.missing_children),
    }
}

//! Uploads: start, mount, chunks, status, finish, cancel (end-4 to end-6, end-11, end-13, end-14).
//!
//! 1. A mount that cannot be done is answered with a fresh session, never with a refusal.
//! 2. What arrived before a body broke or a chunk turned out too short stays: the session rests at
//!    that offset, which `GET` tells.
//! 3. Bytes are never dropped in silence: a `POST` that has some and does not say of which digest
//!    they are is refused.
//! 4. A chunk that does not start at the session's end changes nothing and disturbs no other writer.

use crate::access::Caller;
use crate::accounts::Permission;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, ErrorCode};
use crate::range::ChunkRange;
use crate::request::{self, Incoming};
use crate::response::{self, OCI_CHUNK_MIN_LENGTH};
use crate::route::{Mount, UploadStart};
use bytes::Bytes;
use floundr_engine::Repository;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::RepositoryName;
use floundr_engine::repository::BlobError;
use floundr_engine::upload::{UploadError, UploadId, UploadSession};
use http::header::HeaderValue;
use http::request::Parts;
use http::{Response, header};

/// How many repositories are tried as the source of a mount that names none.
const MOUNT_CANDIDATES: usize = 32;

/// Where an upload begins.
pub(super) struct Target<'a> {
    /// The repository it is for.
    pub(super) repository: Repository,
    /// Who begins it.
    pub(super) caller: &'a Caller,
    /// What is to begin.
    pub(super) start: UploadStart,
}

/// The bytes a request brings.
struct Content<'a, B> {
    /// What was read of the body already.
    first: Option<Bytes>,
    /// The body behind that.
    rest: &'a mut B,
    /// How many bytes were announced, by `Content-Range` or `Content-Length`.
    expected: Option<u64>,
}

/// `POST`: mounts, takes the whole blob, or opens a session.
pub(super) async fn start<B: Incoming>(
    context: &Context,
    target: Target<'_>,
    parts: &Parts,
    body: &mut B,
) -> Result<Response<Body>, ApiError> {
    let Target {
        repository,
        caller,
        start,
    } = &target;
    if let Some(mount) = &start.mount
        && try_mount(context, caller, repository, mount).await?
    {
        return Ok(response::blob_created(repository.name(), &mount.digest));
    }
    if let Some(digest) = &start.digest {
        let expected = request::content_length(&parts.headers)?;
        let first = request::next_piece(body).await?;
        // Without a body only the empty blob is finished: some clients announce the digest and
        // then expect a session.
        if first.is_some() || *digest == Digest::of(digest.algorithm(), b"") {
            let blob = Content {
                first,
                rest: body,
                expected,
            };
            return whole(repository, digest, blob).await;
        }
    } else {
        expect_no_body(parts, body).await?;
    }
    let announced = start.algorithm;
    let implied = start
        .digest
        .or(start.mount.as_ref().map(|mount| mount.digest));
    let algorithm = announced.or(implied.map(|digest| digest.algorithm()));
    let session = repository.start_upload(algorithm.unwrap_or(Algorithm::Sha256))?;
    let mut response = response::upload_accepted(repository.name(), &session.id(), 0);
    if let Some(length) = context.config().chunk_min_length {
        let headers = response.headers_mut();
        headers.insert(OCI_CHUNK_MIN_LENGTH, HeaderValue::from(length));
    }
    Ok(response)
}

/// `PATCH`: takes the next chunk, or a stream of any length.
pub(super) async fn chunk<B: Incoming>(
    repository: &Repository,
    id: &UploadId,
    parts: &Parts,
    body: &mut B,
) -> Result<Response<Body>, ApiError> {
    let session = receive(repository, id, parts, body).await?;
    let offset = session.suspend().await?;
    Ok(response::upload_accepted(repository.name(), id, offset))
}

/// `PUT`: takes the last chunk, if there is one, and makes the content a blob.
pub(super) async fn finish<B: Incoming>(
    repository: &Repository,
    id: &UploadId,
    digest: &Digest,
    parts: &Parts,
    body: &mut B,
) -> Result<Response<Body>, ApiError> {
    let session = receive(repository, id, parts, body).await?;
    session.finish(digest).await?;
    Ok(response::blob_created(repository.name(), digest))
}

/// `GET`: where the session is.
pub(super) async fn status(
    repository: &Repository,
    id: &UploadId,
) -> Result<Response<Body>, ApiError> {
    let status = repository.upload_status(id).await?;
    Ok(response::upload_status(
        repository.name(),
        id,
        status.offset,
    ))
}

/// `DELETE`: ends the session; its space comes back at once.
pub(super) async fn cancel(
    repository: &Repository,
    id: &UploadId,
) -> Result<Response<Body>, ApiError> {
    repository.resume_upload(id).await?.cancel().await?;
    Ok(response::upload_cancelled())
}

/// That a `POST` without a digest brings no bytes. Every client that opens a session sends a length
/// of zero or no body at all.
async fn expect_no_body<B: Incoming>(parts: &Parts, body: &mut B) -> Result<(), ApiError> {
    let announced = request::content_length(&parts.headers)?;
    let has_body = match announced {
        Some(length) => length > 0,
        None => request::next_piece(body).await?.is_some(),
    };
    if !has_body {
        return Ok(());
    }
    let length = announced.map_or_else(String::new, |length| format!(" of {length} bytes"));
    Err(ApiError::new(
        ErrorCode::BlobUploadInvalid,
        format!(
            "the request has a body{length} and no parameter digest: send the whole blob with \
             ?digest=<its digest>, or open the upload with an empty body and send the blob to the \
             location that is answered"
        ),
    ))
}

/// Whether the blob is in the repository now. Without a source, a few holders are tried. What the
/// caller may not pull is no source: whether it holds the blob is not told.
async fn try_mount(
    context: &Context,
    caller: &Caller,
    repository: &Repository,
    mount: &Mount,
) -> Result<bool, ApiError> {
    let sources = match &mount.from {
        Some(from) => vec![from.clone()],
        None => {
            context
                .engine()
                .holders(&mount.digest, MOUNT_CANDIDATES)
                .await?
        }
    };
    let may_pull = |source: &&RepositoryName| caller.may(source, Permission::Pull);
    for source in sources.iter().filter(may_pull) {
        match repository.mount(&mount.digest, source).await {
            Ok(_) => return Ok(true),
            Err(BlobError::Unknown { .. }) => {}
            Err(error @ (BlobError::Referenced { .. } | BlobError::Storage(_))) => {
                return Err(error.into());
            }
        }
    }
    Ok(false)
}

/// The single `POST`: a session that nobody else ever sees.
async fn whole<B: Incoming>(
    repository: &Repository,
    digest: &Digest,
    mut content: Content<'_, B>,
) -> Result<Response<Body>, ApiError> {
    let mut session = repository.start_upload(digest.algorithm())?;
    if let Err(error) = content.feed(&mut session).await {
        session.cancel().await?;
        return Err(error);
    }
    session.finish(digest).await?;
    Ok(response::blob_created(repository.name(), digest))
}

/// Opens the session and takes in the body, which must start where the session ends.
async fn receive<B: Incoming>(
    repository: &Repository,
    id: &UploadId,
    parts: &Parts,
    body: &mut B,
) -> Result<UploadSession, ApiError> {
    let range = request::chunk_range(&parts.headers)?;
    let expected = match range {
        Some(range) => Some(range.length()),
        None => request::content_length(&parts.headers)?,
    };
    if range.is_some() {
        let offset = repository.upload_status(id).await?.offset;
        check_order(repository, id, range, offset)?;
    }
    let mut content = Content {
        first: None,
        rest: body,
        expected,
    };
    let mut session = repository.resume_upload(id).await?;
    let checked = check_order(repository, id, range, session.offset());
    let fed = match checked {
        Ok(()) => content.feed(&mut session).await,
        Err(error) => Err(error),
    };
    match fed {
        Ok(()) => Ok(session),
        Err(error) => {
            rest(session).await;
            Err(error)
        }
    }
}

/// Keeps what was delivered. Why the request failed is what the client is told; that the session
/// could not be brought to rest either shows in its status.
async fn rest(session: UploadSession) {
    let id = session.id();
    if let Err(error) = session.suspend().await {
        tracing::warn!(upload = %id.uuid(), %error, "a failed upload was not brought to rest");
    }
}

/// That a chunk with `range` starts at `offset`.
fn check_order(
    repository: &Repository,
    id: &UploadId,
    range: Option<ChunkRange>,
    offset: u64,
) -> Result<(), ApiError> {
    match range {
        Some(range) if range.first() != offset => {
            let error = UploadError::OutOfOrder {
                expected: offset,
                got: range.first(),
            };
            let location = response::upload_location(repository.name(), id);
            Err(ApiError::from(error).with_header(header::LOCATION, location))
        }
        _ => Ok(()),
    }
}

// === impl Content ===

impl<B: Incoming> Content<'_, B> {
    /// Appends all of it, which must be as long as was announced.
    async fn feed(&mut self, session: &mut UploadSession) -> Result<(), ApiError> {
        if let Some(expected) = self.expected {
            session.announce(expected);
        }
        let mut received = 0_u64;
        while let Some(piece) = self.next().await? {
            received += piece.len() as u64;
            if let Some(expected) = self.expected.filter(|&expected| received > expected) {
                return Err(ApiError::new(
                    ErrorCode::SizeInvalid,
                    format!("the body has at least {received} bytes, {expected} were announced"),
                ));
            }
            session.append(piece).await?;
        }
        match self.expected {
            Some(expected) if received < expected => Err(ApiError::new(
                ErrorCode::SizeInvalid,
                format!("the body has {received} bytes, {expected} were announced"),
            )),
            _ => Ok(()),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        match self.first.take() {
            Some(piece) => Ok(Some(piece)),
            None => request::next_piece(self.rest).await,
        }
    }
}

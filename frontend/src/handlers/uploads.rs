//! Uploads: start, mount, chunks, status, finish, cancel (end-4 to end-6, end-11, end-13, end-14).
//!
//! 1. A mount that cannot be done is answered with a fresh session, never with a refusal, unless the
//!    blob does not fit into a quota: then its upload would not either.
//! 2. What arrived before a body broke or a chunk turned out too short stays: the session rests at
//!    that offset, which `GET` tells.
//! 3. Bytes are never dropped in silence: a `POST` that has some and does not say of which digest
//!    they are is refused.
//! 4. Bytes are reserved in the quotas of their repository before they are read.
//! 5. A chunk that does not start at the session's end changes nothing and disturbs no other writer.

use crate::access::Caller;
use crate::accounts::Permission;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, ErrorCode};
use crate::quota::{Purpose, QuotaError, Reservation, Room};
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
    /// What may be pushed into it.
    pub(super) room: Room,
    /// Who begins it.
    pub(super) caller: &'a Caller,
    /// What is to begin.
    pub(super) start: &'a UploadStart,
}

/// An upload that was started.
pub(super) struct Upload {
    /// The repository it is for.
    pub(super) repository: Repository,
    /// What may be pushed into it.
    pub(super) room: Room,
    /// Its id.
    pub(super) id: UploadId,
}

/// The bytes a request brings.
struct Content<'a, B> {
    /// What was read of the body already.
    first: Option<Bytes>,
    /// The body behind that.
    rest: &'a mut B,
    /// How many bytes were announced, by `Content-Range` or `Content-Length`.
    expected: Option<u64>,
    /// Whether the session rests behind them.
    is_chunk: bool,
}

/// `POST`: mounts, takes the whole blob, or opens a session.
pub(super) async fn start<B: Incoming>(
    context: &Context,
    target: Target<'_>,
    parts: &Parts,
    body: &mut B,
) -> Result<Response<Body>, ApiError> {
    let Target {
        repository, start, ..
    } = &target;
    if let Some(mount) = &start.mount
        && try_mount(context, &target, mount).await?
    {
        return Ok(response::blob_created(repository.name(), &mount.digest));
    }
    if let Some(digest) = &start.digest {
        let expected = request::content_length(&parts.headers)?;
        let is_announced = expected.is_some_and(|length| length > 0);
        // What is announced is not read before it is known to fit.
        let first = if is_announced {
            None
        } else {
            request::next_piece(body).await?
        };
        // Without a body only the empty blob is finished: some clients announce the digest and
        // then expect a session.
        if is_announced || first.is_some() || *digest == Digest::of(digest.algorithm(), b"") {
            let blob = Content {
                first,
                rest: body,
                expected,
                is_chunk: false,
            };
            return whole(&target, digest, blob).await;
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
    upload: &Upload,
    parts: &Parts,
    body: &mut B,
) -> Result<Response<Body>, ApiError> {
    let Upload { repository, id, .. } = upload;
    let (session, reservation) = receive(upload, None, parts, body).await?;
    let offset = session.suspend().await?;
    // What was received rests there, and goes on to count.
    drop(reservation);
    Ok(response::upload_accepted(repository.name(), id, offset))
}

/// `PUT`: takes the last chunk, if there is one, and makes the content a blob.
pub(super) async fn finish<B: Incoming>(
    upload: &Upload,
    digest: &Digest,
    parts: &Parts,
    body: &mut B,
) -> Result<Response<Body>, ApiError> {
    let (session, reservation) = receive(upload, Some(digest), parts, body).await?;
    session.finish(digest).await?;
    // What it had received before counts already.
    drop(reservation);
    Ok(response::blob_created(upload.repository.name(), digest))
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
    target: &Target<'_>,
    mount: &Mount,
) -> Result<bool, ApiError> {
    let caller = target.caller;
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
        match mount_from(&context.engine().repository(source), target, &mount.digest).await {
            Ok(()) => return Ok(true),
            Err(NoMount::Unknown) => {}
            Err(NoMount::Refused(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Mounts a blob of `source`, if there is room for it.
async fn mount_from(
    source: &Repository,
    target: &Target<'_>,
    digest: &Digest,
) -> Result<(), NoMount> {
    let Target {
        repository, room, ..
    } = target;
    if room.is_unlimited() {
        repository.mount(digest, source.name()).await?;
        return Ok(());
    }
    let size = source.stat_blob(digest).await?.size;
    let reserved = room.reserve_for((repository, digest), Purpose::Content, size);
    let reservation = reserved.await.map_err(ApiError::from)?;
    repository.mount(digest, source.name()).await?;
    reservation.commit(size);
    Ok(())
}

/// Why a blob was not mounted from one repository.
enum NoMount {
    /// It is not there.
    Unknown,
    Refused(ApiError),
}

// === impl NoMount ===

impl From<BlobError> for NoMount {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unknown { .. } => Self::Unknown,
            BlobError::Referenced { .. } | BlobError::Storage(_) => Self::Refused(error.into()),
        }
    }
}

impl From<ApiError> for NoMount {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

/// The single `POST`: a session that nobody else ever sees.
async fn whole<B: Incoming>(
    target: &Target<'_>,
    digest: &Digest,
    mut content: Content<'_, B>,
) -> Result<Response<Body>, ApiError> {
    let repository = &target.repository;
    let mut session = repository.start_upload(digest.algorithm())?;
    let purpose = Purpose::Whole(session.id().upload_uuid());
    let blob = (repository, digest);
    let reserved = (target.room).reserve_for(blob, purpose, content.expected.unwrap_or(0));
    let mut reservation = reserved.await?;
    if let Err(error) = content.feed(&mut session, &mut reservation).await {
        session.cancel().await?;
        return Err(error);
    }
    let size = session.finish(digest).await?;
    reservation.commit(size);
    Ok(response::blob_created(repository.name(), digest))
}

/// Opens the session and takes in the body, which must start where the session ends. `digest` is what
/// the content is said to be, when that is known.
async fn receive<B: Incoming>(
    upload: &Upload,
    digest: Option<&Digest>,
    parts: &Parts,
    body: &mut B,
) -> Result<(UploadSession, Reservation), ApiError> {
    let Upload { repository, id, .. } = upload;
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
        is_chunk: digest.is_none(),
    };
    let mut session = repository.resume_upload(id).await?;
    let fed = async {
        check_order(repository, id, range, session.offset())?;
        let mut reservation = upload.reserve(&session, digest, expected).await?;
        content.feed(&mut session, &mut reservation).await?;
        Ok(reservation)
    };
    match fed.await {
        Ok(reservation) => Ok((session, reservation)),
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

// === impl Target ===

impl<'a> Target<'a> {
    pub(super) fn new(
        context: &Context,
        caller: &'a Caller,
        name: &RepositoryName,
        start: &'a UploadStart,
    ) -> Self {
        Self {
            repository: context.engine().repository(name),
            room: Room::new(context.quotas(), caller.directory(), name),
            caller,
            start,
        }
    }
}

// === impl Upload ===

impl Upload {
    pub(super) fn new(
        context: &Context,
        caller: &Caller,
        name: &RepositoryName,
        id: UploadId,
    ) -> Self {
        Self {
            repository: context.engine().repository(name),
            room: Room::new(context.quotas(), caller.directory(), name),
            id,
        }
    }

    /// Reserves the bytes a request announces for the session.
    async fn reserve(
        &self,
        session: &UploadSession,
        digest: Option<&Digest>,
        expected: Option<u64>,
    ) -> Result<Reservation, QuotaError> {
        let purpose = Purpose::Chunk {
            upload: self.id.upload_uuid(),
            offset: session.offset(),
        };
        let bytes = expected.unwrap_or(0);
        match digest {
            Some(digest) => {
                let blob = (&self.repository, digest);
                self.room.reserve_for(blob, purpose, bytes).await
            }
            None => self.room.reserve(purpose, bytes).await,
        }
    }
}

// === impl Content ===

impl<B: Incoming> Content<'_, B> {
    /// Appends all of it, which must be as long as was announced.
    async fn feed(
        &mut self,
        session: &mut UploadSession,
        reservation: &mut Reservation,
    ) -> Result<(), ApiError> {
        match self.expected {
            Some(expected) if self.is_chunk => session.announce_chunk(expected),
            Some(expected) => session.announce(expected),
            None => {}
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
            reservation.cover(received).await?;
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

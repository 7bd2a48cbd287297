//! One constructor per success. Refusals are `ApiError`s, which the pipeline turns into answers.
//!
//! 1. `Location` is always path and query, never scheme and host: behind a proxy only the client
//!    knows those.
//! 2. What names content names it by `Docker-Content-Digest` and by `ETag`, the quoted digest.
//! 3. Nothing is content-encoded, whatever `Accept-Encoding` says: the digest is of the bytes sent.

use crate::body::Body;
use crate::oci::media_type::OCI_INDEX;
use crate::range::{content_range, session_range};
use bytes::Bytes;
use floundr_engine::descriptor::MediaType;
use floundr_engine::digest::Digest;
use floundr_engine::name::{RepositoryName, Tag};
use floundr_engine::upload::UploadId;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::fmt::Write as _;
use std::ops::Range;

/// The digest of what is answered with or was stored.
pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName =
    HeaderName::from_static("docker-content-digest");
/// The session's UUID, for old tools.
pub(crate) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// `registry/2.0` on every answer, for old tools.
pub(crate) const API_VERSION: HeaderName =
    HeaderName::from_static("docker-distribution-api-version");
/// The least length of a chunk.
pub(crate) const OCI_CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");
/// The subject a pushed manifest named.
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that was set by a parameter.
pub(crate) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// The filters that a referrers listing went through.
pub(crate) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The `ns` of the request.
pub(crate) const OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");

/// The bytes of the longest digest in quotes: `sha512` or `blake3` and 128 digits at most.
const LONGEST_TAG: usize = 2 + 7 + 128;

/// The length of content, its digest and its type: what `HEAD` tells.
#[derive(Debug, Clone)]
pub(crate) struct Entity<'a> {
    /// The digest it was asked for by.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Its media type; none for a blob, which is just bytes.
    pub(crate) media_type: Option<&'a MediaType>,
}

// === impl Entity ===

impl Entity<'_> {
    fn headers(&self, headers: &mut HeaderMap) {
        self.identify(headers);
        let media_type = self
            .media_type
            .map_or("application/octet-stream", MediaType::as_str);
        headers.insert(header::CONTENT_TYPE, value(media_type));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }

    fn identify(&self, headers: &mut HeaderMap) {
        let quoted = Bytes::from(quoted(&self.digest));
        let digest = quoted.slice(1..quoted.len() - 1);
        headers.insert(DOCKER_CONTENT_DIGEST, shared(digest));
        headers.insert(header::ETAG, shared(quoted));
    }

    /// 200 without a body, for `HEAD`.
    pub(crate) fn head(&self) -> Response<Body> {
        self.whole(Body::empty())
    }

    /// 200 with all of it.
    pub(crate) fn whole(&self, body: Body) -> Response<Body> {
        let mut response = with_status(StatusCode::OK, body);
        self.headers(response.headers_mut());
        let length = HeaderValue::from(self.size);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
        response
    }

    /// 206 with a part of it.
    pub(crate) fn part(&self, part: &Range<u64>, body: Body) -> Response<Body> {
        let mut response = with_status(StatusCode::PARTIAL_CONTENT, body);
        self.headers(response.headers_mut());
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_LENGTH,
            HeaderValue::from(part.end - part.start),
        );
        headers.insert(header::CONTENT_RANGE, content_range(part, self.size));
        response
    }

    /// 304: the client has it.
    pub(crate) fn not_modified(&self) -> Response<Body> {
        let mut response = with_status(StatusCode::NOT_MODIFIED, Body::empty());
        self.identify(response.headers_mut());
        response
    }
}

/// 200 with a JSON body.
pub(crate) fn json(body: impl Into<Bytes>) -> Response<Body> {
    typed("application/json", body)
}

/// 200 with the JSON body of an image index.
pub(crate) fn index(body: impl Into<Bytes>) -> Response<Body> {
    typed(OCI_INDEX, body)
}

/// 200 with a body of a fixed type.
pub(crate) fn typed(media_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    let length = HeaderValue::from(body.len());
    let mut response = with_status(StatusCode::OK, Body::full(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, length);
    response
}

/// What `HEAD` hears of what `GET` would.
pub(crate) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.remaining() {
        let length = HeaderValue::from(length);
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
    Response::from_parts(parts, Body::empty())
}

/// 201: the blob is in the repository.
pub(crate) fn blob_created(repository: &RepositoryName, digest: &Digest) -> Response<Body> {
    created(&format!("/v2/{repository}/blobs/{digest}"), digest)
}

/// 201: the manifest is in the repository, and `tags` were set as parameters asked.
pub(crate) fn manifest_created(
    repository: &RepositoryName,
    digest: &Digest,
    subject: Option<&Digest>,
    tags: &[Tag],
) -> Response<Body> {
    let mut response = created(&format!("/v2/{repository}/manifests/{digest}"), digest);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, entity_tag(digest));
    if let Some(subject) = subject {
        headers.insert(OCI_SUBJECT, value(&subject.to_string()));
    }
    for tag in tags {
        headers.append(OCI_TAG, value(tag.as_str()));
    }
    response
}

/// 202: the session goes on at `offset`.
pub(crate) fn upload_accepted(
    repository: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> Response<Body> {
    session(StatusCode::ACCEPTED, repository, id, offset)
}

/// 204: the session is at `offset`.
pub(crate) fn upload_status(
    repository: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> Response<Body> {
    session(StatusCode::NO_CONTENT, repository, id, offset)
}

/// 204: the session is over.
pub(crate) fn upload_cancelled() -> Response<Body> {
    with_status(StatusCode::NO_CONTENT, Body::empty())
}

/// 202: it is deleted.
pub(crate) fn deleted() -> Response<Body> {
    empty(StatusCode::ACCEPTED)
}

/// Where a session's next request goes.
pub(crate) fn upload_location(repository: &RepositoryName, id: &UploadId) -> HeaderValue {
    value(&format!("/v2/{repository}/blobs/uploads/{id}"))
}

fn session(
    status: StatusCode,
    repository: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> Response<Body> {
    let mut response = match status {
        StatusCode::NO_CONTENT => with_status(status, Body::empty()),
        _ => empty(status),
    };
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, upload_location(repository, id));
    headers.insert(header::RANGE, session_range(offset));
    headers.insert(DOCKER_UPLOAD_UUID, value(&id.uuid()));
    response
}

fn created(location: &str, digest: &Digest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(location));
    headers.insert(DOCKER_CONTENT_DIGEST, value(&digest.to_string()));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = with_status(status, Body::empty());
    let none = HeaderValue::from_static("0");
    response.headers_mut().insert(header::CONTENT_LENGTH, none);
    response
}

fn with_status(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    // Enough for every answer, so that the map never grows.
    *response.headers_mut() = HeaderMap::with_capacity(12);
    response
}

fn entity_tag(digest: &Digest) -> HeaderValue {
    shared(quoted(digest).into())
}

/// The digest as an entity tag; written without a look at how long it becomes.
fn quoted(digest: &Digest) -> String {
    let mut text = String::with_capacity(LONGEST_TAG);
    write!(text, "\"{digest}\"").expect("writing to a string cannot fail");
    text
}

fn shared(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).expect("a digest is visible ASCII")
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("names, digests, ids and media types are visible ASCII")
}

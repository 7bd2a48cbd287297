//! From method, path and query to a [`Route`]: the endpoints' table and the parameters' grammar.

use super::{Mount, ReferrersOf, Route, UploadStart};
use crate::error::{ApiError, ErrorCode};
use crate::manage::ManageRoute;
use crate::page::{PageQuery, single_value};
use floundr_engine::digest::Digest;
use floundr_engine::name::{Reference, Tag};
use floundr_engine::upload::UploadId;
use http::{HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The longest path that is looked at: the longest name, digest and upload id, all escaped, and some.
const MAX_PATH: usize = 4096;

/// Room for the segments of most paths.
const USUAL_SEGMENTS: usize = 8;

/// More tags than this in one request are refused with 400; the specification asks for 10.
const MAX_TAGS: usize = 100;

/// What a path names, before the method is known to fit.
enum Target<'a> {
    Base,
    Catalog,
    Blob(Name<'a>, &'a str),
    Uploads(Name<'a>),
    Upload(Name<'a>, &'a str),
    Manifest(Name<'a>, &'a str),
    Tags(Name<'a>),
    Referrers(Name<'a>, &'a str),
    Token,
    Health,
    Ready,
    Metrics,
}

/// A repository's name, decoded and not validated yet.
type Name<'a> = &'a str;

/// The decoded parameters of a request.
struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

// === impl Route ===

impl Route {
    /// Reads a request's method, its path as sent (still percent-encoded), and its query. Pure.
    ///
    /// # Errors
    /// `NAME_INVALID`, `TAG_INVALID`, `DIGEST_INVALID` or `BLOB_UPLOAD_UNKNOWN` for what the path
    /// names; 405 with `Allow`; 404 for what is no endpoint; 400 for parameters.
    pub fn parse(method: &Method, path: &str, query: Option<&str>) -> Result<Self, ApiError> {
        if ManageRoute::owns(path) {
            return Ok(Self::Manage(ManageRoute::parse(method, path)));
        }
        let decoded = decode(path)?;
        let target = Target::of(&decoded).ok_or_else(|| {
            let shown: String = path.chars().take(100).collect();
            ApiError::new(
                ErrorCode::EndpointUnknown,
                format!("there is no endpoint {shown:?}"),
            )
        })?;
        let query = Query::of(query.unwrap_or_default());
        target.route(method, &query)?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::MethodNotAllowed,
                format!("method {method} is not for this endpoint"),
            )
            .with_header(header::ALLOW, HeaderValue::from_static(target.allow()))
        })
    }
}

/// The path without its first slash, decoded segment by segment: no segment has a `/` or NUL of its own.
fn decode(path: &str) -> Result<Cow<'_, str>, ApiError> {
    if path.len() > MAX_PATH {
        return Err(ApiError::new(
            ErrorCode::NameInvalid,
            format!("path has {} bytes, more than {MAX_PATH}", path.len()),
        ));
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    if !path.bytes().any(|byte| matches!(byte, b'%' | 0)) {
        return Ok(Cow::Borrowed(path));
    }
    let segments: Result<Vec<_>, _> = path.split('/').map(decode_segment).collect();
    Ok(Cow::Owned(segments?.join("/")))
}

fn decode_segment(segment: &str) -> Result<Cow<'_, str>, ApiError> {
    let refused = |why: &str| {
        let shown: String = segment.chars().take(100).collect();
        ApiError::new(
            ErrorCode::NameInvalid,
            format!("path segment {shown:?} {why}"),
        )
    };
    let decoded = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|error| refused("is not valid UTF-8").with_source(error))?;
    if decoded.contains(['/', '\0']) {
        return Err(refused("holds an encoded slash or NUL"));
    }
    Ok(decoded)
}

// === impl Target ===

impl<'a> Target<'a> {
    /// What a decoded path names. A repository's name and what stands behind it are not validated yet.
    fn of(path: &'a str) -> Option<Self> {
        let mut segments = Vec::with_capacity(USUAL_SEGMENTS);
        segments.extend(path.split('/'));
        match segments.as_slice() {
            ["auth", "token"] => return Some(Self::Token),
            ["health"] => return Some(Self::Health),
            ["ready"] => return Some(Self::Ready),
            ["metrics"] => return Some(Self::Metrics),
            ["v2"] | ["v2", ""] => return Some(Self::Base),
            ["v2", "_catalog"] => return Some(Self::Catalog),
            _ => {}
        }
        // The name is what stands between `v2` and the last `tail` segments.
        let name = |tail: usize| {
            let behind = segments.iter().rev().take(tail);
            let behind: usize = behind.map(|segment| "/".len() + segment.len()).sum();
            path.get("v2/".len()..path.len() - behind)
                .unwrap_or_default()
        };
        match *segments.strip_prefix(&["v2"])? {
            [.., "tags", "list"] => Some(Self::Tags(name(2))),
            [.., "manifests", reference] => Some(Self::Manifest(name(2), reference)),
            [.., "referrers", subject] => Some(Self::Referrers(name(2), subject)),
            [.., "blobs", "uploads", ""] => Some(Self::Uploads(name(3))),
            [.., "blobs", "uploads", id] => Some(Self::Upload(name(3), id)),
            [.., "blobs", "uploads"] => Some(Self::Uploads(name(2))),
            [.., "blobs", digest] => Some(Self::Blob(name(2), digest)),
            _ => None,
        }
    }

    const fn allow(&self) -> &'static str {
        match self {
            Self::Base
            | Self::Catalog
            | Self::Tags(_)
            | Self::Referrers(..)
            | Self::Health
            | Self::Ready
            | Self::Metrics => "GET, HEAD",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Token => "GET, HEAD, POST",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
        }
    }

    /// The route, or nothing when `method` is not one of [`Target::allow`].
    fn route(&self, method: &Method, query: &Query<'_>) -> Result<Option<Route>, ApiError> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Ok(Some(match *self {
            Self::Base if reads => Route::Base,
            Self::Token if reads => Route::TokenGet,
            Self::Token if *method == Method::POST => Route::TokenPost,
            Self::Health if reads => Route::Health,
            Self::Ready if reads => Route::Ready,
            Self::Metrics if reads => Route::Metrics,
            Self::Catalog if reads => Route::Catalog(query.page()?),
            Self::Tags(name) if reads => Route::TagsList(name.parse()?, query.page()?),
            Self::Referrers(name, subject) if reads => {
                Route::Referrers(name.parse()?, query.referrers(subject)?)
            }
            Self::Uploads(name) if *method == Method::POST => {
                Route::UploadStart(name.parse()?, query.upload_start()?)
            }
            Self::Blob(name, digest) => return blob(method, name, digest),
            Self::Upload(name, id) => return upload(method, name, id, query),
            Self::Manifest(name, reference) => return manifest(method, name, reference, query),
            _ => return Ok(None),
        }))
    }
}

fn blob(method: &Method, name: Name<'_>, digest: &str) -> Result<Option<Route>, ApiError> {
    let name = name.parse()?;
    let digest: Digest = digest.parse()?;
    Ok(match *method {
        Method::GET => Some(Route::BlobGet(name, digest)),
        Method::HEAD => Some(Route::BlobHead(name, digest)),
        Method::DELETE => Some(Route::BlobDelete(name, digest)),
        _ => None,
    })
}

fn upload(
    method: &Method,
    name: Name<'_>,
    id: &str,
    query: &Query<'_>,
) -> Result<Option<Route>, ApiError> {
    let name = name.parse()?;
    let id: UploadId = id.parse()?;
    Ok(match *method {
        Method::GET | Method::HEAD => Some(Route::UploadStatus(name, id)),
        Method::PATCH => Some(Route::UploadChunk(name, id)),
        Method::DELETE => Some(Route::UploadCancel(name, id)),
        Method::PUT => {
            let digest = query.digest()?.ok_or_else(|| {
                ApiError::new(ErrorCode::DigestInvalid, "parameter digest is missing")
            })?;
            Some(Route::UploadFinish(name, id, digest))
        }
        _ => None,
    })
}

fn manifest(
    method: &Method,
    name: Name<'_>,
    reference: &str,
    query: &Query<'_>,
) -> Result<Option<Route>, ApiError> {
    let name = name.parse()?;
    let reference: Reference = reference.parse()?;
    Ok(match *method {
        Method::GET => Some(Route::ManifestGet(name, reference)),
        Method::HEAD => Some(Route::ManifestHead(name, reference)),
        Method::DELETE => Some(Route::ManifestDelete(name, reference)),
        Method::PUT => Some(Route::ManifestPut(name, reference, query.tags()?)),
        _ => None,
    })
}

/// A mount may always be answered with a session, so what cannot be read is not refused. An
/// unreadable `from` must not become "from anywhere".
fn mount(digest: Option<&str>, from: Option<&str>) -> Option<Mount> {
    let digest = digest?.parse().ok()?;
    let from = match from {
        None => None,
        Some(from) => Some(from.parse().ok()?),
    };
    Some(Mount { digest, from })
}

// === impl Query ===

impl<'a> Query<'a> {
    fn of(query: &'a str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).collect())
    }

    fn value(&self, name: &str) -> Result<Option<&str>, ApiError> {
        single_value(&self.0, name)
    }

    fn page(&self) -> Result<PageQuery, ApiError> {
        PageQuery::from_pairs(&self.0)
    }

    fn digest(&self) -> Result<Option<Digest>, ApiError> {
        Ok(self.value("digest")?.map(str::parse).transpose()?)
    }

    fn tags(&self) -> Result<Vec<Tag>, ApiError> {
        let values = self.0.iter().filter(|(key, _)| key == "tag");
        let tags: Result<Vec<Tag>, _> = values.map(|(_, tag)| tag.parse()).collect();
        let tags = tags?;
        if tags.len() > MAX_TAGS {
            return Err(ApiError::new(
                ErrorCode::ParameterInvalid,
                format!("{} tags in one request, more than {MAX_TAGS}", tags.len()),
            ));
        }
        Ok(tags)
    }

    fn upload_start(&self) -> Result<UploadStart, ApiError> {
        let algorithm = self.value("digest-algorithm")?;
        let algorithm = algorithm.map(str::parse).transpose()?;
        Ok(UploadStart {
            mount: mount(self.value("mount")?, self.value("from")?),
            digest: self.digest()?,
            algorithm,
        })
    }

    fn referrers(&self, subject: &str) -> Result<ReferrersOf, ApiError> {
        let page = self.page()?;
        let after = page.last.as_deref().map(str::parse).transpose()?;
        // A media type has no space: a "+" that a client did not escape was decoded to one.
        let artifact_type = self
            .value("artifactType")?
            .map(|text| text.replace(' ', "+"));
        Ok(ReferrersOf {
            subject: subject.parse()?,
            artifact_type,
            after,
            page,
        })
    }
}

//! What handlers read of a request: typed headers, and the body with a limit.
//!
//! 1. A header that cannot be read counts as not sent, except where taking it for absent could store
//!    something else than was meant (`Content-Length`, `Content-Range`, `Content-Type`). One that
//!    was sent twice, where there can be only one, cannot be read.
//! 2. A body is taken piece by piece; only a manifest is collected, up to its limit.
//!
//! How long a body may stand still, and what happens to the rest of one that nobody needs, is the
//! transport's business (`service`, `body`).

use crate::body::{BoxError, RequestBodyError};
use crate::error::{ApiError, ErrorCode};
use crate::oci;
use crate::range::ChunkRange;
use bytes::{Bytes, BytesMut};
use floundr_engine::digest::Digest;
use floundr_engine::repository::TagCondition;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;

/// The body of a request as handlers take it: hyper's, or one made in this process.
pub(crate) trait Incoming:
    http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin
{
}

impl<B> Incoming for B where B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin {}

/// The entity tags of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntityTags {
    /// `*`.
    Any,
    /// Those of these digests; other tags are none of ours and match nothing.
    Of(Vec<Digest>),
}

// === impl EntityTags ===

impl EntityTags {
    /// The tags of all lines of a header; nothing when it was not sent.
    pub(crate) fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        if !headers.contains_key(name) {
            return None;
        }
        let lines = headers
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let tags: Vec<&str> = lines
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .collect();
        if tags.contains(&"*") {
            return Some(Self::Any);
        }
        Some(Self::Of(tags.into_iter().filter_map(entity_tag).collect()))
    }

    /// Whether the entity with this digest is meant.
    pub(crate) fn match_digest(&self, digest: &Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Of(digests) => digests.contains(digest),
        }
    }
}

/// The digest of `"sha256:..."`. The weak form is taken too, and so is one without quotes.
fn entity_tag(text: &str) -> Option<Digest> {
    let text = text.strip_prefix("W/").unwrap_or(text);
    text.trim_matches('"').parse().ok()
}

/// A header's value, when it is there once and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = single(headers, name, ErrorCode::ParameterInvalid).ok()??;
    value.to_str().ok()
}

/// The value of a header that may be there once.
///
/// # Errors
/// `code` when it is there more than once.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    code: ErrorCode,
) -> Result<Option<&'a HeaderValue>, ApiError> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (first, None) => Ok(first),
        (Some(first), Some(second)) => Err(ApiError::new(
            code,
            format!("header {name} came twice, as {first:?} and as {second:?}"),
        )),
        (None, Some(_)) => Ok(None),
    }
}

/// `Content-Length`.
///
/// # Errors
/// `SIZE_INVALID` when it is not one number.
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = single(headers, &header::CONTENT_LENGTH, ErrorCode::SizeInvalid)? else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    let length = length.ok_or_else(|| {
        ApiError::new(
            ErrorCode::SizeInvalid,
            format!("content-length {value:?} is not a number"),
        )
    })?;
    Ok(Some(length))
}

/// `Content-Range` of a chunk. An empty body has no range, whatever the header says.
///
/// # Errors
/// `BLOB_UPLOAD_INVALID` when it cannot be read; `SIZE_INVALID` when `Content-Length` disagrees.
pub(crate) fn chunk_range(headers: &HeaderMap) -> Result<Option<ChunkRange>, ApiError> {
    let length = content_length(headers)?;
    let code = ErrorCode::BlobUploadInvalid;
    let value = single(headers, &header::CONTENT_RANGE, code)?;
    let Some(value) = value.filter(|_| length != Some(0)) else {
        return Ok(None);
    };
    let range = ChunkRange::parse(&String::from_utf8_lossy(value.as_bytes()))?;
    match length {
        Some(length) if length != range.length() => Err(ApiError::new(
            ErrorCode::SizeInvalid,
            format!(
                "content-range has {} bytes, content-length says {length}",
                range.length()
            ),
        )),
        _ => Ok(Some(range)),
    }
}

/// Whether `Range` counts: there is no `If-Range`, or it names this very content (RFC 9110, 13.1.5).
pub(crate) fn range_counts(headers: &HeaderMap, digest: &Digest) -> bool {
    if !headers.contains_key(header::IF_RANGE) {
        return true;
    }
    let tag = text(headers, &header::IF_RANGE);
    tag.is_some_and(|tag| tag.trim() == format!("\"{digest}\""))
}

/// What `If-Match` and `If-None-Match` demand of a tag that is to be set. `If-Match` wins.
pub(crate) fn tag_condition(headers: &HeaderMap) -> TagCondition {
    match EntityTags::of(headers, &header::IF_MATCH) {
        Some(EntityTags::Any) => return TagCondition::Present,
        Some(EntityTags::Of(digests)) => return TagCondition::Names(digests),
        None => {}
    }
    match EntityTags::of(headers, &header::IF_NONE_MATCH) {
        Some(EntityTags::Any) => TagCondition::Absent,
        Some(EntityTags::Of(digests)) => TagCondition::NamesNot(digests),
        None => TagCondition::Always,
    }
}

/// The next piece of a body; nothing at its end. Pieces are never empty.
///
/// # Errors
/// 408 when the client stopped sending, `SIZE_INVALID` when it ended early.
///
/// # Cancel safety
/// Cancel safe: a piece is given or still to come.
pub(crate) async fn next_piece<B: Incoming>(body: &mut B) -> Result<Option<Bytes>, ApiError> {
    piece(body, ErrorCode::UploadTimeout).await
}

/// [`next_piece`] of something whose standing still has the kind `stalled`.
async fn piece<B: Incoming>(body: &mut B, stalled: ErrorCode) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_body(error.into(), stalled))?;
        if let Ok(piece) = frame.into_data()
            && !piece.is_empty()
        {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

fn broken_body(error: BoxError, stalled: ErrorCode) -> ApiError {
    match error.downcast::<RequestBodyError>() {
        Ok(error) => match *error {
            RequestBodyError::Idle(_) => ApiError::from_error(stalled, *error),
            RequestBodyError::Broken(_) => ended_early().with_source(*error),
        },
        Err(error) => ended_early().with_source(Early(error)),
    }
}

fn ended_early() -> ApiError {
    ApiError::new(
        ErrorCode::SizeInvalid,
        "the request body is not whole: it broke off, or its chunks cannot be read",
    )
}

/// What hyper or another body said.
#[derive(Debug, thiserror::Error)]
#[error("the request body ended early: {0}")]
struct Early(BoxError);

/// A manifest's body, at most `limit` bytes of it.
///
/// # Errors
/// 413 above the limit, before anything is read if `Content-Length` tells; else as [`next_piece`].
///
/// # Cancel safety
/// A cancelled call has read a part of the body.
pub(crate) async fn collect_manifest<B: Incoming>(
    headers: &HeaderMap,
    body: &mut B,
    limit: u64,
) -> Result<Bytes, ApiError> {
    let bound = Bound {
        bytes: limit,
        too_large: oci::too_large,
        stalled: ErrorCode::ManifestTimeout,
    };
    bound.collect(headers, body).await
}

/// The body of a small request, at most `limit` bytes of it.
///
/// # Errors
/// As [`collect_manifest`].
///
/// # Cancel safety
/// As [`collect_manifest`].
pub(crate) async fn collect_form<B: Incoming>(
    headers: &HeaderMap,
    body: &mut B,
    limit: u64,
) -> Result<Bytes, ApiError> {
    let bound = Bound {
        bytes: limit,
        too_large: |limit| {
            let text = format!("the request body has more than {limit} bytes");
            ApiError::new(ErrorCode::TooLarge, text)
        },
        stalled: ErrorCode::UploadTimeout,
    };
    bound.collect(headers, body).await
}

/// What a body that is collected may be, and how it is refused otherwise.
struct Bound {
    bytes: u64,
    too_large: fn(u64) -> ApiError,
    stalled: ErrorCode,
}

// === impl Bound ===

impl Bound {
    async fn collect<B: Incoming>(
        &self,
        headers: &HeaderMap,
        body: &mut B,
    ) -> Result<Bytes, ApiError> {
        let announced = content_length(headers)?;
        if announced.is_some_and(|length| length > self.bytes) {
            return Err((self.too_large)(self.bytes));
        }
        let mut content = BytesMut::new();
        while let Some(piece) = piece(body, self.stalled).await? {
            if content.len() as u64 + piece.len() as u64 > self.bytes {
                return Err((self.too_large)(self.bytes));
            }
            content.extend_from_slice(&piece);
        }
        match announced {
            Some(length) if length != content.len() as u64 => Err(ApiError::new(
                ErrorCode::SizeInvalid,
                format!(
                    "the body has {} bytes, content-length says {length}",
                    content.len()
                ),
            )),
            _ => Ok(content.freeze()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floundr_engine::digest::Algorithm;
    use http_body_util::Full;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::try_from(*value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn conditions_come_from_if_match_and_if_none_match() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let quoted = format!("\"other\", W/\"{digest}\"");
        for (pairs, expected) in [
            (vec![], TagCondition::Always),
            (vec![("if-none-match", "*")], TagCondition::Absent),
            (vec![("if-match", "*")], TagCondition::Present),
            (
                vec![("if-match", quoted.as_str())],
                TagCondition::Names(vec![digest]),
            ),
            (
                vec![("if-none-match", quoted.as_str())],
                TagCondition::NamesNot(vec![digest]),
            ),
            (
                vec![("if-match", "\"x\""), ("if-none-match", "*")],
                TagCondition::Names(vec![]),
            ),
        ] {
            assert_eq!(tag_condition(&headers(&pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_chunk_must_be_as_long_as_its_range_says() {
        let read = |range: &str, length: &str| {
            chunk_range(&headers(&[
                ("content-range", range),
                ("content-length", length),
            ]))
        };
        assert_eq!(read("5-9", "5").unwrap().unwrap().first(), 5);
        assert_eq!(read("0-0", "0").unwrap(), None);
        assert_eq!(read("5-9", "4").unwrap_err().code(), ErrorCode::SizeInvalid);
        assert_eq!(
            read("x", "4").unwrap_err().code(),
            ErrorCode::BlobUploadInvalid
        );
        assert_eq!(
            read("5-9", "-4").unwrap_err().code(),
            ErrorCode::SizeInvalid
        );
        assert!(
            chunk_range(&headers(&[("content-range", "0-9")]))
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn a_header_that_came_twice_is_refused_or_not_sent() {
        let mut headers = HeaderMap::new();
        for name in [
            header::RANGE,
            header::CONTENT_RANGE,
            header::CONTENT_LENGTH,
            header::IF_RANGE,
        ] {
            headers.append(&name, HeaderValue::from_static("0-0"));
            headers.append(&name, HeaderValue::from_static("1-1"));
        }
        assert_eq!(text(&headers, &header::RANGE), None);
        assert!(!range_counts(&headers, &Digest::of(Algorithm::Sha256, b"")));
        let refused = content_length(&headers).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::SizeInvalid);
        headers.remove(header::CONTENT_LENGTH);
        let refused = chunk_range(&headers).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::BlobUploadInvalid);
        let told = "header content-range came twice, as \"0-0\" and as \"1-1\"";
        assert_eq!(refused.message(), told);
    }

    #[test]
    fn a_range_counts_only_for_the_content_the_client_has() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let strong = format!("\"{digest}\"");
        let weak = format!("W/\"{digest}\"");
        assert!(range_counts(&HeaderMap::new(), &digest));
        assert!(range_counts(&headers(&[("if-range", &strong)]), &digest));
        for other in [weak.as_str(), "\"x\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert!(
                !range_counts(&headers(&[("if-range", other)]), &digest),
                "{other}"
            );
        }
    }

    #[tokio::test]
    async fn a_manifest_is_collected_up_to_its_limit() {
        let body = || Full::new(Bytes::from_static(b"{}  "));
        let collect = async |pairs: &[(&'static str, &str)], limit: u64| {
            collect_manifest(&headers(pairs), &mut body(), limit).await
        };
        assert_eq!(collect(&[], 4).await.unwrap(), "{}  ");
        assert_eq!(
            collect(&[("content-length", "4")], 4).await.unwrap(),
            "{}  "
        );
        let code = async |pairs: &[(&'static str, &str)], limit| {
            collect(pairs, limit).await.unwrap_err().code()
        };
        assert_eq!(
            code(&[("content-length", "5")], 4).await,
            ErrorCode::ManifestTooLarge
        );
        assert_eq!(
            code(&[("content-length", "3")], 4).await,
            ErrorCode::SizeInvalid
        );
    }
}

//! Conditions and ranges of a read, the same for blobs and manifests (RFC 9110, 13 and 14).
//!
//! Order: `If-Match`, then `If-None-Match`, then `Range` when `If-Range` lets it count.

use crate::error::{ApiError, ErrorCode};
use crate::range::{Selection, unsatisfied_range};
use crate::request::{self, EntityTags};
use floundr_engine::digest::Digest;
use http::header::{self, HeaderMap};

/// What a read is to be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// 304: the client has it already.
    NotModified,
    /// The bytes selected: whole or a part.
    Content(Selection),
}

/// What the headers of a read make of content with this digest and size.
///
/// # Errors
/// 412 when `If-Match` names other content, 416 when no byte is in `Range`.
pub(super) fn wanted(headers: &HeaderMap, digest: &Digest, size: u64) -> Result<Wanted, ApiError> {
    if is_not_modified(headers, digest)? {
        return Ok(Wanted::NotModified);
    }
    let range = request::text(headers, &header::RANGE);
    let selection = match range.filter(|_| request::range_counts(headers, digest)) {
        Some(range) => Selection::of(range, size),
        None => Selection::Whole,
    };
    if selection == Selection::Unsatisfiable {
        let range = range.unwrap_or_default();
        let shown: String = range.chars().take(100).collect();
        return Err(ApiError::new(
            ErrorCode::RangeNotSatisfiable,
            format!("range {shown:?} has no byte of the content's {size}"),
        )
        .with_header(header::CONTENT_RANGE, unsatisfied_range(size)));
    }
    Ok(Wanted::Content(selection))
}

/// Whether `If-None-Match` names this content.
///
/// # Errors
/// 412 when `If-Match` names other content.
pub(super) fn is_not_modified(headers: &HeaderMap, digest: &Digest) -> Result<bool, ApiError> {
    let if_match = EntityTags::of(headers, &header::IF_MATCH);
    if if_match.is_some_and(|tags| !tags.match_digest(digest)) {
        return Err(ApiError::new(
            ErrorCode::PreconditionFailed,
            format!("the content is {digest}, which if-match does not name"),
        ));
    }
    let if_none_match = EntityTags::of(headers, &header::IF_NONE_MATCH);
    Ok(if_none_match.is_some_and(|tags| tags.match_digest(digest)))
}

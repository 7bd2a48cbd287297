//! Every engine error as what the client sees of it.
//!
//! Invariant: every match here is total, without a wildcard arm, so that a new engine error does not
//! compile until this file says what the client sees. A storage fault is never told as an absence.

use super::{ApiError, ErrorCode};
use crate::quota::QuotaError;
use crate::range::session_range;
use floundr_engine::digest::ParseDigestError;
use floundr_engine::fault::{Corruption, StorageError};
use floundr_engine::name::ParseNameError;
use floundr_engine::repository::{BlobError, ManifestError, RepositoryError, TagImmutable};
use floundr_engine::upload::{ParseUploadIdError, UploadError};
use http::HeaderValue;
use http::header;
use serde_json::json;

/// How many of the missing digests a refusal lists.
const MISSING_SHOWN: usize = 100;

impl From<ParseDigestError> for ApiError {
    fn from(error: ParseDigestError) -> Self {
        match error {
            ParseDigestError::Malformed(_)
            | ParseDigestError::UnknownAlgorithm(_)
            | ParseDigestError::Length { .. }
            | ParseDigestError::Encoding(_) => Self::from_error(ErrorCode::DigestInvalid, error),
        }
    }
}

impl From<ParseNameError> for ApiError {
    fn from(error: ParseNameError) -> Self {
        match error {
            ParseNameError::Repository(_) | ParseNameError::RepositoryLength(_) => {
                Self::from_error(ErrorCode::NameInvalid, error)
            }
            ParseNameError::Tag(_) | ParseNameError::TagLength(_) => {
                Self::from_error(ErrorCode::TagInvalid, error)
            }
            ParseNameError::Digest(error) => error.into(),
        }
    }
}

impl From<ParseUploadIdError> for ApiError {
    fn from(error: ParseUploadIdError) -> Self {
        Self::from_error(ErrorCode::BlobUploadUnknown, error)
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full { .. } => Self::new(
                ErrorCode::InsufficientStorage,
                "the registry's disk is full",
            )
            .with_source(error),
            StorageError::OutcomeUnknown(_) | StorageError::Stopped(_) | StorageError::Closed => {
                Self::new(
                    ErrorCode::Unavailable,
                    "the registry cannot write at the moment; try again",
                )
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
                .with_source(error)
            }
            StorageError::Io { .. }
            | StorageError::Metadata(_)
            | StorageError::Corrupt(
                Corruption::Record { .. } | Corruption::Blob(_) | Corruption::Missing { .. },
            ) => Self::internal(error),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unknown { digest, .. } => {
                let detail = json!({ "digest": digest.to_string() });
                Self::from_error(ErrorCode::BlobUnknown, error).with_detail(detail)
            }
            BlobError::Referenced { digest, by, .. } => {
                let detail = json!({ "digest": digest.to_string(), "manifest": by.to_string() });
                Self::from_error(ErrorCode::MethodNotAllowed, error)
                    .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD"))
                    .with_detail(detail)
            }
            BlobError::Storage(error) => error.into(),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            // The id proves the right to write: its text goes neither to the client nor to the log.
            UploadError::Unknown(id) => Self::new(
                ErrorCode::BlobUploadUnknown,
                format!("upload {} is not open in this repository", id.uuid()),
            ),
            UploadError::Fenced(id) => Self::new(
                ErrorCode::UploadConflict,
                format!("upload {} was taken over by a later request", id.uuid()),
            ),
            UploadError::OutOfOrder { expected, .. } => {
                Self::from_error(ErrorCode::ChunkOutOfOrder, error)
                    .with_header(header::RANGE, session_range(expected))
            }
            UploadError::DigestMismatch { .. } => Self::from_error(ErrorCode::DigestInvalid, error),
            UploadError::Storage(error) => error.into(),
        }
    }
}

impl From<ManifestError> for ApiError {
    fn from(error: ManifestError) -> Self {
        match &error {
            ManifestError::Unknown { reference, .. } => {
                let detail = json!({ "reference": reference.to_string() });
                Self::from_error(ErrorCode::ManifestUnknown, error).with_detail(detail)
            }
            ManifestError::MissingBlobs(missing) | ManifestError::MissingChildren(missing) => {
                let shown = missing.iter().take(MISSING_SHOWN);
                let digests: Vec<String> = shown.map(ToString::to_string).collect();
                let detail = json!({ "digests": digests, "count": missing.len() });
                Self::from_error(ErrorCode::ManifestBlobUnknown, error).with_detail(detail)
            }
            ManifestError::DigestMismatch { .. } => {
                Self::from_error(ErrorCode::DigestInvalid, error)
            }
            ManifestError::Condition { .. } => {
                Self::from_error(ErrorCode::PreconditionFailed, error)
            }
            ManifestError::Immutable(refusal) => refusal.clone().into(),
            ManifestError::Storage(fault) => fault.clone().into(),
        }
    }
}

impl From<TagImmutable> for ApiError {
    fn from(error: TagImmutable) -> Self {
        let detail = json!({
            "tag": error.tag.as_str(),
            "current": error.current.to_string(),
            "wanted": error.wanted.map(|digest| digest.to_string()),
        });
        Self::from_error(ErrorCode::Denied, error).with_detail(detail)
    }
}

impl From<QuotaError> for ApiError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Exceeded(exceeded) => {
                let detail = json!({
                    "quota": exceeded.on.as_str(),
                    "limit": exceeded.limit,
                    "used": exceeded.used,
                    "asked": exceeded.asked,
                });
                Self::from_error(ErrorCode::Denied, exceeded).with_detail(detail)
            }
            QuotaError::Storage(error) => error.into(),
        }
    }
}

impl From<RepositoryError> for ApiError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Unknown(_) => Self::from_error(ErrorCode::NameUnknown, error),
            RepositoryError::Storage(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Exceeded;
    use floundr_engine::digest::{Algorithm, Digest};
    use http::HeaderMap;
    use std::path::PathBuf;

    fn digest() -> Digest {
        Digest::of(Algorithm::Sha256, b"")
    }

    #[track_caller]
    fn check(error: impl Into<ApiError>, code: ErrorCode, message: &str) -> ApiError {
        let error = error.into();
        assert_eq!(error.code(), code);
        assert!(error.message().contains(message), "{:?}", error.message());
        error
    }

    #[test]
    fn grammar_errors_are_the_clients() {
        let digest_error = "sha256:0".parse::<Digest>().unwrap_err();
        check(
            digest_error.clone(),
            ErrorCode::DigestInvalid,
            "1 characters, not 64",
        );
        check(
            ParseNameError::Digest(digest_error),
            ErrorCode::DigestInvalid,
            "64",
        );
        check(
            ParseNameError::Repository("A".into()),
            ErrorCode::NameInvalid,
            "\"A\"",
        );
        check(
            ParseNameError::RepositoryLength(300),
            ErrorCode::NameInvalid,
            "300",
        );
        check(
            ParseNameError::Tag("!".into()),
            ErrorCode::TagInvalid,
            "\"!\"",
        );
        check(ParseNameError::TagLength(129), ErrorCode::TagInvalid, "129");
    }

    #[test]
    fn faults_of_the_machine_tell_the_client_no_paths() {
        let path = PathBuf::from("/secret");
        let full = StorageError::Full {
            action: "write",
            path: path.clone(),
        };
        let io = StorageError::Io {
            action: "read",
            path,
            source: std::io::Error::other("secret").into(),
        };
        for (error, code) in [
            (full, ErrorCode::InsufficientStorage),
            (io, ErrorCode::Internal),
            (StorageError::Metadata("secret".into()), ErrorCode::Internal),
            (
                StorageError::OutcomeUnknown("secret".into()),
                ErrorCode::Unavailable,
            ),
            (StorageError::Closed, ErrorCode::Unavailable),
            (
                StorageError::Stopped("secret".into()),
                ErrorCode::Unavailable,
            ),
            (
                StorageError::Corrupt(Corruption::Blob(digest())),
                ErrorCode::Internal,
            ),
        ] {
            let wrapped = BlobError::Storage(error.clone());
            let error = check(error, code, "");
            assert!(!error.to_json().contains("secret"));
            assert!(std::error::Error::source(&error).is_some());
            check(wrapped, code, "");
        }
    }

    #[test]
    fn a_chunk_out_of_order_is_told_where_to_go_on() {
        let error = UploadError::OutOfOrder {
            expected: 10,
            got: 5,
        };
        let error = check(error, ErrorCode::ChunkOutOfOrder, "chunk starts at byte 5");
        let mut headers = HeaderMap::new();
        error.extend_headers(&mut headers);
        assert_eq!(headers["range"], "0-9");
    }

    #[test]
    fn missing_content_is_listed_up_to_a_bound() {
        let error = ManifestError::MissingBlobs(vec![digest(); 1000]);
        let error = check(error, ErrorCode::ManifestBlobUnknown, "1000 blobs");
        assert!(error.to_json().len() < 12_000);
        let error = ManifestError::MissingChildren(vec![digest()]);
        check(error, ErrorCode::ManifestBlobUnknown, "1 manifests");
    }

    #[test]
    fn absent_things_and_broken_promises_have_their_codes() {
        let repository = || "a/b".parse().expect("a name");
        let blob = BlobError::Unknown {
            digest: digest(),
            repository: repository(),
        };
        check(blob, ErrorCode::BlobUnknown, "not in repository a/b");
        let blob = BlobError::Referenced {
            digest: digest(),
            repository: repository(),
            by: Digest::of(Algorithm::Sha256, b"x"),
        };
        let named = "is linked by manifest sha256:2d";
        check(blob, ErrorCode::MethodNotAllowed, named);
        let reference = "latest".parse().expect("a tag");
        let manifest = ManifestError::Unknown {
            reference,
            repository: repository(),
        };
        check(
            manifest,
            ErrorCode::ManifestUnknown,
            "manifest latest is not in",
        );
        check(
            RepositoryError::Unknown(repository()),
            ErrorCode::NameUnknown,
            "a/b",
        );
        let (claimed, actual) = (digest(), Digest::of(Algorithm::Sha256, b"x"));
        let mismatch = ManifestError::DigestMismatch { claimed, actual };
        check(mismatch, ErrorCode::DigestInvalid, "content is sha256:2d");
        check(
            UploadError::DigestMismatch { claimed, actual },
            ErrorCode::DigestInvalid,
            "not sha256:e3",
        );
        let tag = "latest".parse().expect("a tag");
        let condition = ManifestError::Condition { tag, names: None };
        check(
            condition,
            ErrorCode::PreconditionFailed,
            "tag latest names nothing",
        );
    }

    #[test]
    fn a_quota_that_is_full_is_denied_with_its_numbers() {
        let exceeded = Exceeded {
            on: "team/**".parse().expect("a pattern"),
            limit: 100,
            used: 90,
            asked: 11,
        };
        let error = QuotaError::Exceeded(exceeded);
        let error = check(
            error,
            ErrorCode::Denied,
            "the quota of team/** is 100 bytes",
        );
        assert!(
            error.to_json().contains("\"used\":90"),
            "{}",
            error.to_json()
        );
    }

    #[test]
    fn an_immutable_tag_is_denied_with_its_name_and_both_digests() {
        let (current, wanted) = (digest(), Digest::of(Algorithm::Sha256, b"x"));
        let refusal = |wanted| TagImmutable {
            tag: "v1".parse().expect("a tag"),
            current,
            wanted,
        };
        let moved = ManifestError::Immutable(refusal(Some(wanted)));
        let said = format!("tag v1 is immutable: it names {current} and cannot name {wanted}");
        let error = check(moved, ErrorCode::Denied, &said);
        assert_eq!(error.status(), http::StatusCode::FORBIDDEN);
        check(refusal(None), ErrorCode::Denied, "cannot be deleted");
    }
}

//! [`Problem`]: a refusal in the form of RFC 9457.
//!
//! Invariant: the status and the title follow from the [`ProblemCode`] alone; the detail says what
//! is the matter with this very request, in words for a person.

use super::{with_allow, with_type};
use bytes::Bytes;
use floundr_engine::fault::StorageError;
use http::{Response, StatusCode};
use serde_json::json;
use std::fmt;

/// The kind of a problem: the last part of its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemCode {
    /// There is no such endpoint.
    NoEndpoint,
    /// Not with this method.
    Method,
    /// The body cannot be understood, or has more bytes than [`super::MAX_BODY`].
    BodyInvalid,
    /// A parameter that the endpoint does not know, or whose value cannot be understood.
    ParameterInvalid,
    /// Not a repository's name.
    NameInvalid,
    /// Not a digest.
    DigestInvalid,
    /// No repository holds it.
    DigestUnknown,
    /// It is not among what can be restored.
    NotDeleted,
    /// Something else has its place.
    Taken,
    /// Collection is paused.
    Paused,
    /// Somebody else works on it.
    InUse,
    /// The directory cannot be used for this.
    DirectoryUnfit,
    /// The disk is full.
    Full,
    /// The store takes no writes at the moment.
    Unavailable,
    /// Something broke.
    Internal,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: ProblemCode,
    detail: String,
    allow: Option<&'static str>,
}

// === impl ProblemCode ===

impl ProblemCode {
    /// What it is called in `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoEndpoint => "no-endpoint",
            Self::Method => "method",
            Self::BodyInvalid => "body-invalid",
            Self::ParameterInvalid => "parameter-invalid",
            Self::NameInvalid => "name-invalid",
            Self::DigestInvalid => "digest-invalid",
            Self::DigestUnknown => "digest-unknown",
            Self::NotDeleted => "not-deleted",
            Self::Taken => "taken",
            Self::Paused => "paused",
            Self::InUse => "in-use",
            Self::DirectoryUnfit => "directory-unfit",
            Self::Full => "full",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// What it is called for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NoEndpoint => "there is no such endpoint",
            Self::Method => "not with this method",
            Self::BodyInvalid => "the body cannot be understood",
            Self::ParameterInvalid => "a parameter cannot be understood",
            Self::NameInvalid => "not a repository's name",
            Self::DigestInvalid => "not a digest",
            Self::DigestUnknown => "no repository holds it",
            Self::NotDeleted => "it is not among what can be restored",
            Self::Taken => "something else has its place",
            Self::Paused => "collection is paused",
            Self::InUse => "somebody else works on it",
            Self::DirectoryUnfit => "the directory cannot be used for this",
            Self::Full => "the disk is full",
            Self::Unavailable => "the store takes no writes at the moment",
            Self::Internal => "something broke",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoEndpoint | Self::DigestUnknown | Self::NotDeleted => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyInvalid
            | Self::ParameterInvalid
            | Self::NameInvalid
            | Self::DigestInvalid => StatusCode::BAD_REQUEST,
            Self::InUse | Self::DirectoryUnfit | Self::Paused | Self::Taken => StatusCode::CONFLICT,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

// === impl Problem ===

impl Problem {
    /// A problem of this kind; `detail` is lower case and names the thing.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            allow: None,
        }
    }

    /// Names the methods that would do.
    pub(super) fn with_allow(mut self, allow: &'static str) -> Self {
        self.allow = Some(allow);
        self
    }

    /// What kind it is.
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        self.code.status()
    }

    pub(super) fn into_response(self) -> Response<Bytes> {
        let body = json!({
            "type": format!("urn:floundr:problem:{}", self.code.name()),
            "title": self.code.title(),
            "status": self.status().as_u16(),
            "detail": self.detail,
        });
        let body = body.to_string().into();
        let response = with_type(self.status(), "application/problem+json", body);
        match self.allow {
            Some(allow) => with_allow(response, allow),
            None => response,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        let code = match error {
            StorageError::Full { .. } => ProblemCode::Full,
            StorageError::Closed | StorageError::Stopped(_) | StorageError::OutcomeUnknown(_) => {
                ProblemCode::Unavailable
            }
            StorageError::Io { .. } | StorageError::Metadata(_) | StorageError::Corrupt(_) => {
                ProblemCode::Internal
            }
        };
        Self::new(code, error.to_string())
    }
}

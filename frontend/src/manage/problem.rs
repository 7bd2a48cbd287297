//! [`Problem`]: a refusal in the form of RFC 9457.
//!
//! Invariant: the status and the title follow from the [`ProblemCode`] alone; the detail says what
//! is the matter with this very request, in words for a person.

use super::with_type;
use crate::body::Body;
use crate::error::{ApiError, ErrorCode};
use floundr_engine::fault::StorageError;
use floundr_engine::repository::{ManifestError, RepositoryError};
use floundr_engine::upload::UploadError;
use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// The kind of a problem: the last part of its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemCode {
    /// There is no such endpoint.
    NoEndpoint,
    /// Not with this method.
    Method,
    /// Who asks has not shown who they are, or not truly.
    Unauthorized,
    /// Who asks may not do this.
    Forbidden,
    /// There is no such thing, or none that who asks may know of.
    NotFound,
    /// There is no user, role, grant, key or rule of that name.
    Unknown,
    /// There is one of that name already.
    Exists,
    /// It is as it is in every registry.
    BuiltIn,
    /// Nobody who could administer the server would be left.
    LastAdministrator,
    /// Not a password that can be set.
    PasswordUnfit,
    /// Not the present password.
    WrongPassword,
    /// The body cannot be understood.
    BodyInvalid,
    /// The body has more bytes than [`super::MAX_BODY`].
    TooLarge,
    /// The body did not come.
    Timeout,
    /// A header cannot be understood.
    HeaderInvalid,
    /// A parameter that the endpoint does not know, or whose value cannot be understood.
    ParameterInvalid,
    /// Not a name: of a repository, a tag or whatever stands there.
    NameInvalid,
    /// Not a digest.
    DigestInvalid,
    /// No repository holds it.
    DigestUnknown,
    /// It is not among what can be restored.
    NotDeleted,
    /// Something else has its place.
    Taken,
    /// What is there has changed since who asks has seen it.
    Precondition,
    /// Who asks has asked too often.
    TooMany,
    /// The tag is immutable: it names something, and goes on to.
    Immutable,
    /// Collection is paused.
    Paused,
    /// Somebody works with it, or needs it.
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
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What goes over the wire.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// `urn:floundr:problem:` and the kind.
    #[serde(rename = "type")]
    kind: String,
    /// The kind for people.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is the matter with this very request.
    detail: String,
}

// === impl ProblemCode ===

impl ProblemCode {
    /// What it is called in `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoEndpoint => "no-endpoint",
            Self::Method => "method",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Unknown => "unknown",
            Self::Exists => "exists",
            Self::BuiltIn => "built-in",
            Self::LastAdministrator => "last-administrator",
            Self::PasswordUnfit => "password-unfit",
            Self::WrongPassword => "wrong-password",
            Self::BodyInvalid => "body-invalid",
            Self::TooLarge => "too-large",
            Self::Timeout => "timeout",
            Self::HeaderInvalid => "header-invalid",
            Self::ParameterInvalid => "parameter-invalid",
            Self::NameInvalid => "name-invalid",
            Self::DigestInvalid => "digest-invalid",
            Self::DigestUnknown => "digest-unknown",
            Self::NotDeleted => "not-deleted",
            Self::Taken => "taken",
            Self::Precondition => "precondition",
            Self::TooMany => "too-many",
            Self::Immutable => "immutable",
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
            Self::Unauthorized => "it is not known who asks",
            Self::Forbidden => "who asks may not do this",
            Self::NotFound => "there is no such thing",
            Self::Unknown => "there is none of that name",
            Self::Exists => "there is one already",
            Self::BuiltIn => "it is built in",
            Self::LastAdministrator => "the last administrator stays",
            Self::PasswordUnfit => "not a password that can be set",
            Self::WrongPassword => "the password is not right",
            Self::BodyInvalid => "the body cannot be understood",
            Self::TooLarge => "the body is too large",
            Self::Timeout => "the body did not come",
            Self::HeaderInvalid => "a header cannot be understood",
            Self::ParameterInvalid => "a parameter cannot be understood",
            Self::NameInvalid => "not a name",
            Self::DigestInvalid => "not a digest",
            Self::DigestUnknown => "no repository holds it",
            Self::NotDeleted => "it is not among what can be restored",
            Self::Taken => "something else has its place",
            Self::Precondition => "it has changed since",
            Self::TooMany => "too many requests",
            Self::Immutable => "the tag is immutable",
            Self::Paused => "collection is paused",
            Self::InUse => "it is in use",
            Self::DirectoryUnfit => "the directory cannot be used for this",
            Self::Full => "the disk is full",
            Self::Unavailable => "the store takes no writes at the moment",
            Self::Internal => "something broke",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoEndpoint
            | Self::NotFound
            | Self::Unknown
            | Self::DigestUnknown
            | Self::NotDeleted => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::WrongPassword => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Precondition => StatusCode::PRECONDITION_FAILED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyInvalid
            | Self::PasswordUnfit
            | Self::HeaderInvalid
            | Self::ParameterInvalid
            | Self::NameInvalid
            | Self::DigestInvalid => StatusCode::BAD_REQUEST,
            Self::Exists
            | Self::BuiltIn
            | Self::LastAdministrator
            | Self::InUse
            | Self::DirectoryUnfit
            | Self::Immutable
            | Self::Paused
            | Self::Taken => StatusCode::CONFLICT,
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
            headers: Vec::new(),
        }
    }

    /// Adds a header to the answer, such as `Allow` or `Retry-After`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with other words.
    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
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

    /// The answer that tells it.
    pub(crate) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let body = ProblemBody {
            kind: format!("urn:floundr:problem:{}", self.code.name()),
            title: self.code.title(),
            status: status.as_u16(),
            detail: self.detail,
        };
        let body = serde_json::to_vec(&body).expect("texts and a number have their JSON");
        let mut response = with_type(status, "application/problem+json", body.into());
        response.headers_mut().extend(self.headers);
        response
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

impl From<RepositoryError> for Problem {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Storage(error) => error.into(),
            RepositoryError::Unknown(_) => Self::new(ProblemCode::NotFound, error.to_string()),
        }
    }
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Self {
        let code = match error {
            ManifestError::Storage(error) => return error.into(),
            ManifestError::Unknown { .. } => ProblemCode::NotFound,
            ManifestError::Condition { .. } => ProblemCode::Precondition,
            ManifestError::Immutable(_) => ProblemCode::Immutable,
            ManifestError::MissingBlobs(_)
            | ManifestError::MissingChildren(_)
            | ManifestError::DigestMismatch { .. } => ProblemCode::BodyInvalid,
        };
        Self::new(code, error.to_string())
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        // The text of an upload's id is its right to write, which a refusal does not show.
        match error {
            UploadError::Storage(error) => error.into(),
            other => Self::from(&ApiError::from(other)),
        }
    }
}

/// What the pipeline refuses before it is known what is asked, in the form of this API.
impl From<&ApiError> for Problem {
    fn from(error: &ApiError) -> Self {
        use ErrorCode as E;
        let code = match error.code() {
            E::EndpointUnknown => ProblemCode::NoEndpoint,
            E::MethodNotAllowed => ProblemCode::Method,
            E::Unauthorized => ProblemCode::Unauthorized,
            E::Denied => ProblemCode::Forbidden,
            E::TooManyRequests => ProblemCode::TooMany,
            E::PreconditionFailed => ProblemCode::Precondition,
            E::ManifestTooLarge | E::TooLarge => ProblemCode::TooLarge,
            E::UploadTimeout | E::ManifestTimeout | E::HeadTimeout => ProblemCode::Timeout,
            E::NameInvalid | E::TagInvalid => ProblemCode::NameInvalid,
            E::DigestInvalid => ProblemCode::DigestInvalid,
            E::ParameterInvalid
            | E::RangeNotSatisfiable
            | E::TargetTooLong
            | E::HeadTooLarge
            | E::SizeInvalid => ProblemCode::HeaderInvalid,
            E::BlobUploadInvalid | E::ManifestInvalid | E::ChunkOutOfOrder => {
                ProblemCode::BodyInvalid
            }
            E::BlobUnknown
            | E::BlobUploadUnknown
            | E::ManifestBlobUnknown
            | E::ManifestUnknown
            | E::NameUnknown => ProblemCode::NotFound,
            E::UploadConflict => ProblemCode::InUse,
            E::Internal => ProblemCode::Internal,
            E::Unavailable => ProblemCode::Unavailable,
            E::InsufficientStorage => ProblemCode::Full,
        };
        let mut problem = Self::new(code, error.message());
        problem.headers = error.headers().to_vec();
        problem
    }
}

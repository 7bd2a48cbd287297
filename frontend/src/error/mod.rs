//! What a client is told when a request is refused.
//!
//! Invariants:
//! 1. The status comes from the [`ErrorCode`] alone, and so does the `code` field of the body.
//! 2. For a 4xx the `code` field is one of those the specification lists ("Error Codes"), whatever
//!    status says it more exactly; a 5xx may use others.
//! 3. `message` and `detail` go to the client; `source` goes only to the log.
//!
//! Which engine error becomes which of these is in `map`.

mod map;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt;

/// The kind of a refusal: it decides the status and the `code` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// code-1: this repository has no such blob (404).
    BlobUnknown,
    /// code-2: the upload request makes no sense (400).
    BlobUploadInvalid,
    /// code-3: there is no such open upload session (404).
    BlobUploadUnknown,
    /// code-2 as 416: a chunk does not start where the session ends.
    ChunkOutOfOrder,
    /// code-2 as 408: the client stopped sending.
    UploadTimeout,
    /// code-2 as 409: a later request goes on with the same upload.
    UploadConflict,
    /// code-4: the digest is malformed, unknown, or not that of the content (400).
    DigestInvalid,
    /// code-5: the manifest needs content this repository does not have (404).
    ManifestBlobUnknown,
    /// code-6: the manifest is not acceptable (400).
    ManifestInvalid,
    /// code-6 as 413: the manifest has more bytes than the limit.
    ManifestTooLarge,
    /// code-6 as 408: the client stopped sending the manifest.
    ManifestTimeout,
    /// code-6 as 412: the tag is not where the request demands it to be.
    PreconditionFailed,
    /// code-7: this repository has no such manifest or tag (404).
    ManifestUnknown,
    /// code-8: not a repository name (400).
    NameInvalid,
    /// code-9: there is no such repository (404).
    NameUnknown,
    /// code-10: the length is not what was announced (400).
    SizeInvalid,
    /// code-10 as 413: more bytes than are accepted here.
    TooLarge,
    /// code-10 as 416: the blob or manifest has no byte in the range asked for.
    RangeNotSatisfiable,
    /// `TAG_INVALID`, which the specification keeps for older clients: not a tag (400).
    TagInvalid,
    /// code-11: who are you (401).
    Unauthorized,
    /// code-12: you may not (403).
    Denied,
    /// code-13 as 405: not with this method.
    MethodNotAllowed,
    /// code-13 as 404: there is no such endpoint.
    EndpointUnknown,
    /// code-13 as 400: a parameter or header cannot be understood.
    ParameterInvalid,
    /// code-13 as 408: the head of a request did not come in time.
    HeadTimeout,
    /// code-13 as 414: the request line is longer than is read.
    TargetTooLong,
    /// code-13 as 431: the head has more bytes or lines than are read.
    HeadTooLarge,
    /// code-14: slow down (429).
    TooManyRequests,
    /// Something broke here (500).
    Internal,
    /// Not now; trying again helps (503).
    Unavailable,
    /// The disk is full (507).
    InsufficientStorage,
}

/// One refusal, as the client sees it and as the log sees it.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    detail: Option<Box<Value>>,
    oauth: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

// === impl ErrorCode ===

impl ErrorCode {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 31] = [
        Self::BlobUnknown,
        Self::BlobUploadInvalid,
        Self::BlobUploadUnknown,
        Self::ChunkOutOfOrder,
        Self::UploadTimeout,
        Self::UploadConflict,
        Self::DigestInvalid,
        Self::ManifestBlobUnknown,
        Self::ManifestInvalid,
        Self::ManifestTooLarge,
        Self::ManifestTimeout,
        Self::PreconditionFailed,
        Self::ManifestUnknown,
        Self::NameInvalid,
        Self::NameUnknown,
        Self::SizeInvalid,
        Self::TooLarge,
        Self::RangeNotSatisfiable,
        Self::TagInvalid,
        Self::Unauthorized,
        Self::Denied,
        Self::MethodNotAllowed,
        Self::EndpointUnknown,
        Self::ParameterInvalid,
        Self::HeadTimeout,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unavailable,
        Self::InsufficientStorage,
    ];

    /// The `code` field of the body.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid
            | Self::ChunkOutOfOrder
            | Self::UploadTimeout
            | Self::UploadConflict => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid
            | Self::ManifestTooLarge
            | Self::ManifestTimeout
            | Self::PreconditionFailed => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid | Self::TooLarge | Self::RangeNotSatisfiable => "SIZE_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::MethodNotAllowed
            | Self::EndpointUnknown
            | Self::ParameterInvalid
            | Self::HeadTimeout
            | Self::TargetTooLong
            | Self::HeadTooLarge => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Internal => "UNKNOWN",
            Self::Unavailable => "UNAVAILABLE",
            Self::InsufficientStorage => "INSUFFICIENT_STORAGE",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::SizeInvalid
            | Self::TagInvalid
            | Self::ParameterInvalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestBlobUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown
            | Self::EndpointUnknown => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UploadTimeout | Self::ManifestTimeout | Self::HeadTimeout => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UploadConflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::ManifestTooLarge | Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ChunkOutOfOrder | Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InsufficientStorage => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
}

// === impl ApiError ===

impl ApiError {
    /// A refusal with what the client is told. `message` is lower case and names the thing.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: None,
            oauth: None,
            headers: Vec::new(),
            source: None,
        }
    }

    /// A refusal whose message is the text of `error`, which also goes to the log as the source.
    pub fn from_error(code: ErrorCode, error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(code, error.to_string()).with_source(error)
    }

    /// A fault of this machine: the client is told no more than that; the log gets `error`.
    pub fn internal(error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(
            ErrorCode::Internal,
            "internal error; the server's log says more",
        )
        .with_source(error)
    }

    /// Adds data for programs, the `detail` field.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = Some(Box::new(detail));
        self
    }

    /// Says it in a word of RFC 6749, section 5.2, too: fields `error` and `error_description`.
    #[must_use]
    pub(crate) fn with_oauth(mut self, word: &'static str) -> Self {
        self.oauth = Some(word);
        self
    }

    /// Adds a header to the answer, such as `Range`, `Allow` or `Retry-After`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds what the log shall say beside the message.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What kind of refusal it is.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// What the client is told in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The headers of the answer.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// Puts the headers of this refusal into `headers`.
    pub fn extend_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
    }

    /// The body, `{"errors":[{"code":..,"message":..,"detail":..}]}`.
    pub fn to_json(&self) -> String {
        let mut error = json!({ "code": self.code.name(), "message": self.message });
        if let (Some(detail), Some(fields)) = (&self.detail, error.as_object_mut()) {
            fields.insert("detail".to_owned(), (**detail).clone());
        }
        let mut body = json!({ "errors": [error] });
        if let (Some(word), Some(fields)) = (self.oauth, body.as_object_mut()) {
            fields.insert("error".to_owned(), word.into());
            fields.insert("error_description".to_owned(), self.message.clone().into());
        }
        body.to_string()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_a_client_has_a_code_of_the_specification() {
        const SPECIFIED: [&str; 15] = [
            "BLOB_UNKNOWN",
            "BLOB_UPLOAD_INVALID",
            "BLOB_UPLOAD_UNKNOWN",
            "DIGEST_INVALID",
            "MANIFEST_BLOB_UNKNOWN",
            "MANIFEST_INVALID",
            "MANIFEST_UNKNOWN",
            "NAME_INVALID",
            "NAME_UNKNOWN",
            "SIZE_INVALID",
            "TAG_INVALID",
            "UNAUTHORIZED",
            "DENIED",
            "UNSUPPORTED",
            "TOOMANYREQUESTS",
        ];
        for code in ErrorCode::ALL {
            assert_eq!(
                code.status().is_client_error(),
                SPECIFIED.contains(&code.name()),
                "{code:?}"
            );
        }
        for name in SPECIFIED {
            assert!(ErrorCode::ALL.iter().any(|code| code.name() == name));
        }
    }

    #[test]
    fn the_body_has_the_specified_form_and_keeps_the_source_to_itself() {
        let error = ApiError::new(ErrorCode::NameInvalid, "bad \"name\"")
            .with_detail(json!({"name": "x"}))
            .with_source(std::io::Error::other("secret path"));
        let body: Value = serde_json::from_str(&error.to_json()).unwrap();
        assert_eq!(
            body,
            json!({"errors": [{
                "code": "NAME_INVALID", "message": "bad \"name\"", "detail": {"name": "x"}
            }]})
        );
        assert_eq!(error.source().unwrap().to_string(), "secret path");
    }

    #[test]
    fn refusals_carry_their_headers() {
        let error = ApiError::new(ErrorCode::TooManyRequests, "slow down")
            .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        let mut headers = HeaderMap::new();
        error.extend_headers(&mut headers);
        assert_eq!(headers["retry-after"], "1");
    }
}

//! What a client is told whose head hyper could not read, and what the log can say about it.
//!
//! hyper tells what it did not like by an error without details, and leaves the head in its buffer
//! where it could not read it, or what came behind the head where it disliked a value in it. Both
//! are judged here: pure, and bounded by [`Limits::header_bytes`].

use crate::config::{Config, Limits};
use crate::error::{ApiError, ErrorCode};
use crate::log::RequestLine;
use http::{Method, StatusCode};

/// hyper takes no longer body than this.
const MAX_LENGTH: u64 = u64::MAX - 2;

/// A head that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: ApiError,
    pub(super) line: RequestLine,
}

/// What hyper left of a head.
struct Rest<'a> {
    bytes: &'a [u8],
    limits: &'a Limits,
}

// === impl Refusal ===

impl Refusal {
    /// A head that did not come in time; `rest` is what came of it.
    pub(super) fn late(rest: &[u8], config: &Config) -> Self {
        let rest = Rest::new(rest, &config.limits);
        let limit = config.timeouts.headers.as_millis();
        let message = format!("the head of the request was not whole within {limit} ms");
        Self {
            error: ApiError::new(ErrorCode::HeadTimeout, message),
            line: rest.line(),
        }
    }

    /// A head that hyper refused with `error`, answering `status` if it answered at all; nothing
    /// when the error is not about a head.
    pub(super) fn of(
        error: &hyper::Error,
        status: Option<StatusCode>,
        rest: &[u8],
        config: &Config,
    ) -> Option<Self> {
        let rest = Rest::new(rest, &config.limits);
        let error = if error.is_parse_too_large() {
            rest.too_large(status)
        } else if error.is_parse() {
            malformed(error)
        } else {
            return None;
        };
        Some(Self {
            error,
            line: rest.line(),
        })
    }
}

/// A head within the limits that is none. hyper has no other name for the length than its text.
fn malformed(error: &hyper::Error) -> ApiError {
    let why = error.to_string();
    if why.contains("content-length") {
        return ApiError::new(
            ErrorCode::SizeInvalid,
            format!("content-length is not one number up to {MAX_LENGTH}: {why}"),
        );
    }
    ApiError::new(
        ErrorCode::ParameterInvalid,
        format!("the head of the request cannot be read: {why}"),
    )
}

// === impl Rest ===

impl<'a> Rest<'a> {
    fn new(bytes: &'a [u8], limits: &'a Limits) -> Self {
        // hyper passes over empty lines in front of a request.
        let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
        let bytes = bytes.get(blank.count()..).unwrap_or_default();
        Self { bytes, limits }
    }

    /// What of the first line can be told.
    fn line(&self) -> RequestLine {
        let line = self.bytes.split(|&byte| byte == b'\n').next();
        let line = line.unwrap_or_default();
        let line = line.get(..self.limits.header_bytes).unwrap_or(line);
        let mut words = line.trim_ascii_end().split(|&byte| byte == b' ');
        let method = words.next().and_then(|word| Method::from_bytes(word).ok());
        let target = words.next().filter(|word| is_target(word));
        let (Some(method), Some(target)) = (method, target) else {
            return RequestLine::default();
        };
        let path = target.split(|&byte| byte == b'?').next();
        RequestLine {
            method: Some(method),
            path: path.map(|path| String::from_utf8_lossy(path).into_owned()),
        }
    }

    fn has_line(&self) -> bool {
        self.bytes.contains(&b'\n')
    }

    /// hyper names three things "too large": a target, a head, and a length that was announced.
    /// Only the last is said of a head that was read, so the head is gone then.
    fn too_large(&self, status: Option<StatusCode>) -> ApiError {
        let (bytes, count) = (self.limits.header_bytes, self.limits.header_count);
        let is_full = self.bytes.len() >= bytes;
        if status == Some(StatusCode::URI_TOO_LONG) || is_full && !self.has_line() {
            let message = format!("the request line is too long; a head has up to {bytes} bytes");
            return ApiError::new(ErrorCode::TargetTooLong, message);
        }
        if self.line().method.is_none() {
            let message = format!("content-length is above {MAX_LENGTH} bytes");
            return ApiError::new(ErrorCode::TooLarge, message);
        }
        let lines = self.bytes.split(|&byte| byte == b'\n');
        let lines = lines.take_while(|line| !line.trim_ascii().is_empty());
        let lines = lines.count().saturating_sub(1);
        let message = if lines > count {
            format!(
                "the head of the request has at least {lines} header lines, the limit is {count}"
            )
        } else {
            let length = self.bytes.len();
            format!("the head of the request has at least {length} bytes, the limit is {bytes}")
        };
        ApiError::new(ErrorCode::HeadTooLarge, message)
    }
}

/// A path, an absolute URI, or `*`.
fn is_target(word: &[u8]) -> bool {
    let forms: [&[u8]; 3] = [b"/", b"http", b"*"];
    forms.iter().any(|form| word.starts_with(form))
}

/// What is told of any bytes in place of a head (see [`crate::fuzzing`]).
#[cfg(any(test, feature = "test-util"))]
pub fn fuzz(bytes: &[u8], limits: &Limits) {
    let rest = Rest::new(bytes, limits);
    let line = rest.line();
    assert_eq!(line.method.is_some(), line.path.is_some());
    for status in [None, Some(StatusCode::URI_TOO_LONG)] {
        rest.too_large(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            header_bytes: 100,
            header_count: 3,
            ..Limits::default()
        }
    }

    fn too_large(rest: &str) -> ApiError {
        Rest::new(rest.as_bytes(), &limits()).too_large(None)
    }

    #[test]
    fn what_was_too_large_is_told_from_what_is_left() {
        let long = "x".repeat(100);
        for (rest, code, message) in [
            (
                format!("GET /v2/{long}"),
                ErrorCode::TargetTooLong,
                "100 bytes",
            ),
            (
                format!("GET /v2/ HTTP/1.1\r\na: {long}"),
                ErrorCode::HeadTooLarge,
                "at least 122 bytes, the limit is 100",
            ),
            (
                "GET /v2/ HTTP/1.1\r\na:b\r\na:b\r\na:b\r\na:b\r\n\r\nc\n".to_owned(),
                ErrorCode::HeadTooLarge,
                "at least 4 header lines, the limit is 3",
            ),
            (
                String::new(),
                ErrorCode::TooLarge,
                "content-length is above",
            ),
            (
                "{\"schemaVersion\": 2}\n".to_owned(),
                ErrorCode::TooLarge,
                "content-length is above",
            ),
        ] {
            let error = too_large(&rest);
            assert_eq!(error.code(), code, "{rest}");
            assert!(error.message().contains(message), "{error}");
        }
    }

    #[test]
    fn a_request_line_is_told_as_far_as_it_is_one() {
        let line = |rest: &str| {
            let line = Rest::new(rest.as_bytes(), &limits()).line();
            (line.method, line.path)
        };
        let told = |method: Method, path: &str| (Some(method), Some(path.to_owned()));
        assert_eq!(line("\r\nGET /v2/?a=b HTTP"), told(Method::GET, "/v2/"));
        assert_eq!(line("PUT /v2/\r\n"), told(Method::PUT, "/v2/"));
        assert_eq!(line("GET / HTTP/1.1\r\na"), told(Method::GET, "/"));
        for none in ["", "\r\n", "GET", "GET ", "\u{1f}\u{8b} /v2/", "a b c"] {
            assert_eq!(line(none), (None, None), "{none:?}");
        }
    }
}

//! The access log: one line a request, through the tracing target `floundr::access`.
//!
//! Invariants:
//! 1. A request makes exactly one line, when its answer was handed to the connection or was given up:
//!    the line says how many bytes that were and whether that was all.
//! 2. A line holds no secret: of the target only the path, of the headers only the user agent. A
//!    query may hold a token; an upload's path does, and is cut behind its UUID.
//! 3. A client cannot forge a line: what it chose is escaped.
//!
//! The same moment counts the request in the metrics.

use crate::body::{Body, BodyError};
use crate::metrics::{Counted, Metrics, Outcome};
use crate::service::Peer;
use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// As many hex digits behind a dot are taken for an upload's token; no version or file name has so
/// many.
const TOKEN: usize = 40;

/// The `tracing` target of access lines, one a request.
pub const TARGET: &str = "floundr::access";

/// An answer's body, which writes its request's line when it ends.
#[derive(Debug)]
pub struct Answer {
    body: Body,
    entry: Entry,
}

/// What the line of one request will say. The line is written when this is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    metrics: Arc<Metrics>,
    _in_flight: Counted,
    started: Instant,
    id: HeaderValue,
    /// `None` when the head was not readable so far.
    method: Option<Method>,
    target: Target,
    user_agent: Option<HeaderValue>,
    remote: Option<SocketAddr>,
    route: &'static str,
    received: Arc<AtomicU64>,
    sent: u64,
    status: Option<StatusCode>,
    is_complete: bool,
}

/// The beginning of a head that was refused unread, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RequestLine {
    pub(crate) method: Option<Method>,
    /// The path as it came, without a query.
    pub(crate) path: Option<String>,
}

#[derive(Debug)]
enum Target {
    Read(Uri),
    Unread(Option<String>),
}

// === impl Entry ===

impl Entry {
    /// A line that is begun: `received` counts the request body's bytes.
    pub(crate) fn new(
        metrics: &Arc<Metrics>,
        request: &Parts,
        id: HeaderValue,
        received: Arc<AtomicU64>,
    ) -> Self {
        let mut entry = Self::begin(metrics, id, Target::Read(request.uri.clone()), received);
        entry.method = Some(request.method.clone());
        entry.user_agent = request.headers.get(USER_AGENT).cloned();
        entry.remote = request.extensions.get::<Peer>().map(|peer| peer.address);
        entry
    }

    /// The line of a request whose head was refused before it was a request.
    pub(crate) fn unread(
        metrics: &Arc<Metrics>,
        line: RequestLine,
        id: HeaderValue,
        remote: SocketAddr,
    ) -> Self {
        let mut entry = Self::begin(metrics, id, Target::Unread(line.path), Arc::default());
        entry.method = line.method;
        entry.remote = Some(remote);
        entry
    }

    fn begin(
        metrics: &Arc<Metrics>,
        id: HeaderValue,
        target: Target,
        received: Arc<AtomicU64>,
    ) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            _in_flight: metrics.request(),
            started: Instant::now(),
            id,
            method: None,
            target,
            user_agent: None,
            remote: None,
            route: "unknown",
            received,
            sent: 0,
            status: None,
            is_complete: false,
        }
    }

    /// Which endpoint it is.
    pub(crate) fn set_route(&mut self, label: &'static str) {
        self.route = label;
    }

    /// The id of the request.
    pub(crate) fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// The answer is decided; the line is written when its body has ended.
    pub(crate) fn answer(mut self, status: StatusCode, body: Body) -> Answer {
        self.status = Some(status);
        // Nothing is sent of an answer without a body, nor of one to HEAD.
        self.is_complete = body.is_end_stream() || self.method == Some(Method::HEAD);
        Answer { body, entry: self }
    }

    fn write(&self, outcome: &Outcome) {
        let path = match &self.target {
            Target::Read(uri) => uri.path(),
            Target::Unread(path) => path.as_deref().unwrap_or("-"),
        };
        let path = without_token(path);
        let path = escaped(path.as_bytes());
        let method = outcome.method.as_ref().map_or("-", Method::as_str);
        let user_agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        let user_agent = user_agent.map(escaped).unwrap_or_default();
        let remote = self.remote.map(|remote| remote.to_string());
        tracing::info!(
            target: TARGET,
            method = %method,
            path = %path,
            status = outcome.status.map_or(0, |status| status.as_u16()),
            bytes_in = outcome.received,
            bytes_out = outcome.sent,
            complete = self.is_complete,
            duration_ms = milliseconds(outcome.duration),
            request_id = self.id.to_str().unwrap_or_default(),
            remote = remote.as_deref().unwrap_or("-"),
            user_agent = %user_agent,
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let outcome = Outcome {
            route: self.route,
            method: self.method.clone(),
            status: self.status,
            duration: self.started.elapsed(),
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent,
        };
        self.metrics.record(&outcome);
        if tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            self.write(&outcome);
        }
    }
}

// === impl Answer ===

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => this.entry.sent += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(error)) => {
                let id = this.entry.id.to_str().unwrap_or_default();
                tracing::error!(request_id = id, %error, "an answer was cut off");
            }
            None => {}
        }
        this.entry.is_complete = this.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The path as far as anyone may know it: who has the whole id of an upload may write to it. The
/// token is cut wherever it stands and however it is spelled, since routing decodes the path, too.
fn without_token(path: &str) -> Cow<'_, str> {
    if !path.contains(['.', '%']) {
        return Cow::Borrowed(path);
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut kept = String::with_capacity(decoded.len());
    let mut rest = &*decoded;
    while let Some((before, after)) = rest.split_once('.') {
        kept.push_str(before);
        kept.push('.');
        let digits = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        let token = if digits >= TOKEN { digits } else { 0 };
        rest = after.get(token..).unwrap_or_default();
    }
    Cow::Owned(kept + rest)
}

/// Milliseconds to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// At most 512 characters, printable ASCII without quotes and backslashes of its own.
fn escaped(text: &[u8]) -> Cow<'_, str> {
    const LIMIT: usize = 512;
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"\"'\\".contains(byte);
    if text.len() <= LIMIT
        && text.iter().all(is_plain)
        && let Ok(text) = std::str::from_utf8(text)
    {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::new();
    for (index, byte) in text.iter().enumerate() {
        if index == LIMIT {
            escaped.push_str("...");
            break;
        }
        write!(escaped, "{}", byte.escape_ascii()).expect("writing to a string cannot fail");
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chose_cannot_make_a_line_of_its_own() {
        assert_eq!(escaped(b"/v2/a\n\x1b[0m\"\xff"), r#"/v2/a\n\x1b[0m\"\xff"#);
        assert_eq!(escaped(&[b'a'; 600]).len(), 515);
    }

    #[test]
    fn the_token_of_an_upload_is_not_in_its_line_however_it_is_spelled() {
        let token = "0100000000240e178ebe920b2f7aeadc2cbf1420bdd1824ce4";
        let id = format!("2fd2dbf4-0ef4-41e6-b66e-3eeea5c54eca.{token}");
        for path in [
            format!("/v2/a/b/blobs/uploads/{id}"),
            format!("/v2/a/blobs/%75ploads/{id}"),
            format!("/v2/a/blobs/uploads//{id}/x"),
            format!("/v2/a/blobs/uploads/{}/", id.replace('.', "%2e")),
        ] {
            let line = without_token(&path);
            assert!(!line.contains("0100000000"), "{line}");
            assert!(
                line.contains("2fd2dbf4-0ef4-41e6-b66e-3eeea5c54eca."),
                "{line}"
            );
        }
        for path in [
            "/v2/a/blobs/uploads/",
            "/v2/",
            "/v2/a/manifests/v1.0",
            "/v2/a.b/tags/list",
        ] {
            assert_eq!(without_token(path), path);
        }
    }

    #[test]
    fn durations_are_written_to_the_microsecond() {
        assert_eq!(
            milliseconds(Duration::from_nanos(263_559)).to_string(),
            "0.264"
        );
    }
}

//! One connection at a time, over HTTP/1.1 or HTTP/2, as cheap as hyper allows.
//!
//! 1. Each [`Connection`] is one socket, used by one task, for one request after another: requests and the
//!    connection's own work run in the same task, so no frame crosses threads.
//! 2. Bodies go out as slices of shared memory (vectored writes, no copy) and come in by large reads.
//! 3. A connection the registry closes is an error, not reopened: reconnecting would hide in the figures.
//!
//! Elsewhere: what is below HTTP (`transport.rs`). No other module knows which protocol is spoken.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::content::Content;
use crate::driver::{Driver, spawner};
use crate::endpoint::Endpoint;
use crate::transport::{Stream, Transport};

// What Go's transport gives (transportDefaultStreamFlow, transportDefaultConnFlow and the default frame size of
// golang.org/x/net/http2), because docker, containerd and podman are Go.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
const FRAME: u32 = 16 << 10;

/// A connection that carries one request at a time.
#[derive(Debug)]
pub struct Connection {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    sender: Sender,
    driver: Driver,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Payload>),
    Http2(http2::SendRequest<Payload>),
}

/// The body of a request: a part of some content, or nothing.
#[derive(Debug)]
pub struct Payload {
    content: Option<Content>,
    at: u64,
    end: u64,
    framing: Framing,
}

/// How the length of a payload is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding: chunked`, as docker streams a layer.
    Chunked,
}

// === impl Connection ===

impl Connection {
    /// Connects to `endpoint` over `transport`; every request will show `authorization`.
    ///
    /// # Errors
    /// When nothing accepts the connection, or the server does not speak what `transport` asks for.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn open(
        endpoint: &Endpoint,
        transport: &Transport,
        authorization: Option<HeaderValue>,
    ) -> Result<Self> {
        let (sender, driver) = match transport.connect(endpoint).await? {
            Stream::Plain(socket) => speak_http1(socket).await?,
            Stream::Tls(stream) => speak_http1(stream).await?,
            Stream::Http2(stream) => speak_http2(stream).await?,
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            authorization,
            sender,
            driver,
        })
    }

    /// The registry this connection leads to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A request for `target`, which names the registry as the protocol does, and says who asks.
    pub fn request(&self, method: Method, target: &str) -> request::Builder {
        let request = Request::builder().method(method);
        let request = match self.sender {
            Sender::Http1(_) => request.uri(target).header(HOST, self.endpoint.authority()),
            Sender::Http2(_) => request.uri(format!("{}{target}", self.endpoint)),
        };
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    /// Sends `request` and waits for the head of the response; its body must be [read](Self::read) before
    /// the next request.
    ///
    /// # Errors
    /// When the connection fails or is closed before the response.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn send(&mut self, request: Request<Payload>) -> Result<Response<Incoming>> {
        self.driver.run(self.sender.send(request)).await?
    }

    /// Reads the whole `body`, shows each piece to `seen` and returns the length in bytes.
    ///
    /// # Errors
    /// When the body ends early.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn read(&mut self, body: Incoming, seen: impl FnMut(&Bytes) + Send) -> Result<u64> {
        self.driver.run(count(body, seen)).await?
    }
}

// === impl Sender ===

impl Sender {
    async fn send(&mut self, request: Request<Payload>) -> Result<Response<Incoming>> {
        let ready = match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        };
        ready.context("connection was closed")?;
        let what = format!("{} {}", request.method(), request.uri());
        let answer = match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        };
        answer.with_context(|| format!("no answer to {what}"))
    }
}

async fn speak_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(Sender, Driver)> {
    let (_, spawned) = spawner();
    // Reads stay adaptive (8 to 400 KiB): as cheap for a large pull as any fixed size, and 15 % cheaper
    // for small answers than a large one.
    let (sender, connection) = http1::Builder::new()
        .handshake(TokioIo::new(stream))
        .await
        .context("cannot set up HTTP/1.1")?;
    Ok((Sender::Http1(sender), Driver::new(connection, spawned)))
}

async fn speak_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(Sender, Driver)> {
    let (spawner, spawned) = spawner();
    let (sender, connection) = http2::Builder::new(spawner)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .handshake(TokioIo::new(stream))
        .await
        .context("cannot set up HTTP/2")?;
    Ok((Sender::Http2(sender), Driver::new(connection, spawned)))
}

async fn count(mut body: Incoming, mut seen: impl FnMut(&Bytes) + Send) -> Result<u64> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.context("body ended early")?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length += data.len() as u64;
        seen(data);
    }
    Ok(length)
}

// === impl Payload ===

impl Payload {
    /// No body.
    pub fn none() -> Self {
        Self {
            content: None,
            at: 0,
            end: 0,
            framing: Framing::Length,
        }
    }

    /// The bytes `from..to` of `content`.
    pub fn part(content: &Content, from: u64, to: u64, framing: Framing) -> Self {
        Self {
            content: Some(content.clone()),
            at: from,
            end: to.min(content.len()),
            framing,
        }
    }

    /// All of `content`.
    pub fn all(content: &Content, framing: Framing) -> Self {
        Self::part(content, 0, content.len(), framing)
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = match &self.content {
            Some(content) => content.piece(self.at, self.end),
            None => Bytes::new(),
        };
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        self.at += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length => SizeHint::with_exact(self.end.saturating_sub(self.at)),
            Framing::Chunked => SizeHint::default(),
        }
    }
}

/// An answer of another status than the expected one.
#[derive(Debug)]
pub struct UnexpectedStatus {
    /// The status.
    pub status: StatusCode,
    /// The expected one.
    pub expected: u16,
    /// The start of the body.
    pub text: String,
}

// === impl UnexpectedStatus ===

impl fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, expected) = (self.status, self.expected);
        write!(f, "status is {status}, not {expected}: {}", self.text)
    }
}

impl std::error::Error for UnexpectedStatus {}

/// Reads the body of an answer that is not `expected` and turns it into an error that shows its start.
///
/// # Errors
/// Always, unless the status is the expected one; an [`UnexpectedStatus`] when the answer can be read.
///
/// # Cancel safety
/// Dropping the future leaves the connection unusable.
pub async fn expect_status(
    connection: &mut Connection,
    response: Response<Incoming>,
    expected: u16,
) -> Result<Response<Incoming>> {
    let status = response.status();
    if status.as_u16() == expected {
        return Ok(response);
    }
    let mut text = Vec::new();
    connection
        .read(response.into_body(), |piece| {
            let room = 512usize.saturating_sub(text.len()).min(piece.len());
            text.extend(piece.iter().take(room));
        })
        .await?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Err(anyhow::Error::new(UnexpectedStatus {
        status,
        expected,
        text,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_announces_its_length_and_a_stream_does_not() {
        let content = Content::of(Bytes::from_static(b"0123456789"));
        let part = Payload::part(&content, 4, 100, Framing::Length);
        assert_eq!(part.size_hint().exact(), Some(6));
        let stream = Payload::all(&content, Framing::Chunked);
        assert_eq!(stream.size_hint().exact(), None);
        assert!(!stream.is_end_stream());
        assert!(Payload::none().is_end_stream());
    }

    #[tokio::test]
    async fn a_payload_yields_exactly_its_part() {
        let content = Content::of(Bytes::from_static(b"0123456789"));
        let part = Payload::part(&content, 2, 7, Framing::Length);
        assert_eq!(part.collect().await.unwrap().to_bytes(), "23456");
    }
}

//! One HTTP/1.1 connection at a time, as cheap as hyper allows.
//!
//! 1. Each [`Connection`] is one socket, used by one task, for one request after another: requests and the
//!    connection's own work run in the same task, so no frame crosses threads.
//! 2. Bodies go out as slices of shared memory (vectored writes, no copy) and come in by large reads.
//! 3. A connection the registry closes is an error, not reopened: reconnecting would hide in the figures.
//!
//! TLS and HTTP/2 will be other constructors of [`Connection`]; no other module knows the transport.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, request};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::content::Content;
use crate::endpoint::Endpoint;

/// A connection that carries one request at a time.
#[derive(Debug)]
pub struct Connection {
    endpoint: Endpoint,
    sender: http1::SendRequest<Payload>,
    driver: Pin<Box<http1::Connection<TokioIo<TcpStream>, Payload>>>,
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
    /// Connects to `endpoint`.
    ///
    /// # Errors
    /// When nothing accepts the connection.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn open(endpoint: &Endpoint) -> Result<Self> {
        let socket = TcpStream::connect(endpoint.authority())
            .await
            .with_context(|| format!("cannot connect to {}", endpoint.authority()))?;
        socket.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        // Reads stay adaptive (8 to 400 KiB): as cheap for a large pull as any fixed size, and 15 % cheaper
        // for small answers than a large one.
        let (sender, driver) = http1::Builder::new()
            .handshake(TokioIo::new(socket))
            .await
            .context("cannot set up HTTP/1.1")?;
        Ok(Self {
            endpoint: endpoint.clone(),
            sender,
            driver: Box::pin(driver),
        })
    }

    /// The registry this connection leads to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A request for `target` with its `Host`.
    pub fn request(&self, method: Method, target: &str) -> request::Builder {
        Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.endpoint.authority())
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
        drive(&mut self.driver, self.sender.ready())
            .await?
            .context("connection was closed")?;
        let what = format!("{} {}", request.method(), request.uri());
        let answer = self.sender.send_request(request);
        drive(&mut self.driver, answer)
            .await?
            .with_context(|| format!("no answer to {what}"))
    }

    /// Reads the whole `body`, shows each piece to `seen` and returns the length in bytes.
    ///
    /// # Errors
    /// When the body ends early.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn read(&mut self, body: Incoming, seen: impl FnMut(&Bytes) + Send) -> Result<u64> {
        drive(&mut self.driver, count(body, seen)).await?
    }
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

/// Runs `work` and the connection together until `work` is done.
async fn drive<F, D>(driver: &mut Pin<Box<D>>, work: F) -> Result<F::Output>
where
    F: Future + Send,
    D: Future<Output = hyper::Result<()>> + Send,
{
    let mut work = pin!(work);
    poll_fn(|task: &mut Task<'_>| {
        if let Poll::Ready(output) = work.as_mut().poll(task) {
            return Poll::Ready(Ok(output));
        }
        let ended = driver.as_mut().poll(task);
        if let Poll::Ready(output) = work.as_mut().poll(task) {
            return Poll::Ready(Ok(output));
        }
        match ended {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Err(anyhow!("connection was closed"))),
            Poll::Ready(Err(error)) => {
                Poll::Ready(Err(anyhow::Error::new(error).context("connection failed")))
            }
        }
    })
    .await
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

/// Reads the body of an answer that is not `expected` and turns it into an error that shows its start.
///
/// # Errors
/// Always, unless the status is the expected one.
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
    bail!(
        "status is {status}, not {expected}: {}",
        String::from_utf8_lossy(&text).trim()
    )
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

//! [`Gate`]: what hyper answers by itself is kept back, so that the registry can say it in its own
//! form.
//!
//! hyper refuses a head that it cannot read with a bare status line and ends the connection. It
//! writes nothing else of its own accord, and it writes answers of the service only while one is
//! owed: from the moment the service is called to the flush that follows the answer, since it
//! flushes its socket exactly when it holds no bytes any more. So:
//!
//! 1. A write while no answer is owed ([`Activity::owes_answer`]) is hyper's own refusal. It is
//!    swallowed; only its status is remembered. hyper then ends, and the connection goes on with
//!    [`refuse`](super::super::end::refuse).
//! 2. Every other write reaches the stream as it is and is not looked at: its slices may be mapped
//!    (see `body::file`).
//! 3. While an answer is owed nothing is swallowed. A head that cannot be read behind one that is
//!    not flushed yet keeps hyper's bare refusal; hyper reads no head before that flush, unless the
//!    request's body was still coming when its answer was complete.

use crate::activity::Activity;
use crate::stream::Stream;
use http::StatusCode;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream of an HTTP/1.1 connection, as hyper sees it.
#[derive(Debug)]
pub(super) struct Gate<S = Stream> {
    stream: S,
    activity: Arc<Activity>,
    swallowed: Option<StatusCode>,
}

// === impl Gate ===

impl<S> Gate<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            activity,
            swallowed: None,
        }
    }

    /// The stream, and the status of the refusal that was kept back.
    pub(super) fn open(self) -> (S, Option<StatusCode>) {
        (self.stream, self.swallowed)
    }

    /// Takes `line` for the beginning of hyper's refusal: `HTTP/1.1 400 Bad Request`.
    fn swallow(&mut self, line: &[u8]) {
        let status = line
            .get(9..12)
            .and_then(|digits| StatusCode::from_bytes(digits).ok());
        let status = status.unwrap_or(StatusCode::BAD_REQUEST);
        self.swallowed.get_or_insert(status);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.activity.owes_answer() {
            return Pin::new(&mut this.stream).poll_write(cx, buf);
        }
        this.swallow(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.activity.owes_answer() {
            return Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        }
        this.swallow(bufs.first().map_or(&[], |line| line));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.activity.flushed();
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.swallowed.is_some() {
            // What takes its place is still to be sent.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

//! [`Stream`]: the bytes of one connection, plain or TLS, as hyper reads and writes them.
//!
//! Invariants:
//! 1. Bytes that were read to find out the protocol are read again first.
//! 2. Vectored writes of a plain connection reach the socket as they are: the slices of a mapped
//!    blob go to `writev` without being looked at (see `body::file`).
//! 3. A read of a plain connection takes at most its part of what all requests in flight may read at
//!    once. hyper sizes its next buffer by what a read gave, so this bounds the memory of many
//!    uploads, while a lone one reads much at a time. (TLS gives a record at a time anyway.)
//! 4. Every read and write is reported to the connection's [`Activity`].

use crate::activity::Activity;
use crate::metrics::Metrics;
use bytes::{Buf as _, BufMut as _, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// One connection's bytes.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Socket,
    /// Read already, to be given again.
    prefix: Bytes,
    activity: Arc<Activity>,
    share: Share,
    is_at_end: bool,
}

/// How much a connection may read at once.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) metrics: Arc<Metrics>,
    /// Of all requests in flight together.
    pub(crate) total: usize,
}

/// What lies under a connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

// === impl Stream ===

impl Stream {
    pub(crate) fn new(
        socket: Socket,
        prefix: Bytes,
        activity: Arc<Activity>,
        share: Share,
    ) -> Self {
        Self {
            socket,
            prefix,
            activity,
            share,
            is_at_end: false,
        }
    }

    /// Whether the client has said that it sends nothing more.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    fn report(&self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &write {
            Poll::Pending => self.activity.sent(false),
            Poll::Ready(Ok(_)) => self.activity.sent(true),
            Poll::Ready(Err(_)) => {}
        }
        write
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.prefix.is_empty() {
            let length = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix[..length]);
            this.prefix.advance(length);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let has_room = buf.remaining() > 0;
        let share = this.share.bytes();
        match &mut this.socket {
            Socket::Plain(socket) if buf.remaining() > share => {
                ready!(poll_read_part(socket, cx, buf, share))?;
            }
            socket => ready!(Pin::new(socket).poll_read(cx, buf))?,
        }
        if buf.filled().len() > before {
            this.activity.received();
        } else if has_room {
            this.is_at_end = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let write = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.report(write)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let write = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.report(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flush = Pin::new(&mut this.socket).poll_flush(cx);
        // TLS buffers: bytes it took may wait here for the socket.
        if flush.is_pending() {
            this.activity.sent(false);
        }
        flush
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

/// Reads at most `limit` bytes, which is less than `buf` has room for.
fn poll_read_part(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    limit: usize,
) -> Poll<io::Result<()>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        match socket.try_read_buf(&mut (&mut *buf).limit(limit)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read.map(drop)),
        }
    }
}

// === impl Share ===

impl Share {
    /// However many requests there are, a read is worth its system call.
    const LEAST: usize = 64 * 1024;

    /// hyper's buffers are powers of two; it takes a larger one when a read fills one, and a smaller
    /// one when less than half is filled. A byte less than a power of two keeps them at that.
    ///
    /// An idle connection keeps the buffer of its last upload, so open connections count as well.
    fn bytes(&self) -> usize {
        let (requests, connections) = self.metrics.load();
        let sharing = requests.max(connections / 4).max(1);
        let share = (self.total / sharing).max(Self::LEAST);
        (1 << share.ilog2()) - 1
    }
}

// === impl Socket ===

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timeouts;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn share(total: usize) -> Share {
        let metrics = Arc::default();
        Share { metrics, total }
    }

    #[test]
    fn requests_and_open_connections_share_what_may_be_read_at_once() {
        let share = share(4 * 1024 * 1024);
        assert_eq!(share.bytes(), 4 * 1024 * 1024 - 1);
        let connections: Vec<_> = (0..32).map(|_| share.metrics.connection()).collect();
        assert_eq!(share.bytes(), 512 * 1024 - 1);
        let requests: Vec<_> = (0..16).map(|_| share.metrics.request()).collect();
        assert_eq!(share.bytes(), 256 * 1024 - 1);
        let many: Vec<_> = (0..1000).map(|_| share.metrics.request()).collect();
        assert_eq!(share.bytes(), Share::LEAST - 1);
        drop((connections, requests, many));
        assert_eq!(share.bytes(), 4 * 1024 * 1024 - 1);
    }

    #[tokio::test]
    async fn a_read_takes_no_more_than_its_share_and_all_of_it_comes() {
        const LENGTH: usize = 1_000_000;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let content = vec![7; LENGTH];
        let sending = tokio::spawn(async move { client.write_all(&content).await });
        let activity = Activity::new(Timeouts::default(), false);
        let socket = Socket::Plain(socket);
        let mut stream = Stream::new(socket, Bytes::new(), activity, share(1));
        let mut buffer = vec![0; 2 * LENGTH];
        let mut got = 0;
        while !stream.is_at_end() {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read < Share::LEAST, "{read}");
            got += read;
        }
        assert_eq!(got, LENGTH);
        sending.await.unwrap().unwrap();
    }
}
